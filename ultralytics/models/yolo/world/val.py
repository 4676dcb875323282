"""Validation of open-vocabulary networks: the classes of the data set become those of a copy of the network."""

from __future__ import annotations

from typing import Any

from ultralytics.models.yolo.detect import DetectionValidator

__all__ = ["WorldValidator", "plain_names"]


def plain_names(data: dict[str, Any]) -> list[str]:  # Any: a checked description
    """Class names of a data set without the synonyms behind a slash."""
    return [str(name).split("/")[0] for name in data["names"].values()]


class WorldValidator(DetectionValidator):
    """Measures a YOLO-World network. Arguments are those of the base class."""

    def get_model(self, model: Any, trainer: Any = None) -> Any:
        """As the base class; alone, the network (a copy) detects the classes of the data set."""
        backend = super().get_model(model, trainer)
        if trainer is None:
            names = plain_names(self.data)
            network = backend.base_model
            if names != list(backend.names.values()):
                network.set_classes(names)
            backend.backend.names = network.names = dict(enumerate(names))
        return backend
