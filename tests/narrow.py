"""Model files with few channels, for steps that take milliseconds."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ultralytics.nn.tasks import yaml_model_load


@pytest.fixture(scope="session")
def narrow_file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Writes the model file of a generation with few channels."""

    def make(name: str) -> str:
        content = yaml_model_load(name)
        content["scales"] = {"n": [0.33, 0.125, 64]}
        del content["yaml_file"]
        file = tmp_path_factory.mktemp("models") / name
        file.write_text(yaml.safe_dump(content))
        return str(file)

    return make
