"""`YOLOE`: the facade of YOLOE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ultralytics.engine.facade import arguments
from ultralytics.engine.facade.roles import Roles
from ultralytics.engine.model import ClassTable, Model
from ultralytics.errors import ConfigValueError

if TYPE_CHECKING:
    from ultralytics.engine.results import Results

__all__ = ["YOLOE"]


class YOLOE(Model):
    """A YOLOE model. See `Model` for what it can do.

    Args:
        model: weights, architecture, or another `Model`.
        task: what the model is for, where the file does not say.
        verbose: log the layers while building.
    """

    def __init__(
        self,
        model: str | Path | Model = "yoloe-11s-seg.pt",
        task: str | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(model=model, task=task, verbose=verbose)

    @property
    def task_map(self) -> ClassTable:
        """Classes of both tasks, by role; training is not part of this version."""
        home, family = "ultralytics.models.yolo", "ultralytics.models.yolo.yoloe"
        return {
            "detect": Roles(
                {
                    "model": "ultralytics.nn.tasks:YOLOEModel",
                    "trainer": f"{family}:YOLOETrainer",
                    "validator": f"{family}:YOLOEDetectValidator",
                    "predictor": f"{home}.detect:DetectionPredictor",
                }
            ),
            "segment": Roles(
                {
                    "model": "ultralytics.nn.tasks:YOLOESegModel",
                    "trainer": f"{family}:YOLOESegTrainer",
                    "validator": f"{family}:YOLOESegValidator",
                    "predictor": f"{home}.segment:SegmentationPredictor",
                }
            ),
        }

    # ---------------------------------------------------------------- classes

    def get_text_pe(self, texts: Sequence[str]) -> Tensor:
        """Class embeddings (1, K, D) of texts; see `YOLOEModel.get_text_pe`."""
        found: Tensor = self._network().get_text_pe(texts)
        return found

    def get_visual_pe(self, img: Tensor, visual: Tensor) -> Tensor:
        """Class embeddings (B, K, D) of image regions; see `YOLOEModel.get_visual_pe`."""
        found: Tensor = self._network().get_visual_pe(img, visual)
        return found

    def set_classes(self, classes: Sequence[str], embeddings: Tensor | None = None) -> None:
        """Detect what these texts say, or what embeddings (1, K, D) made before stand for.

        Raises:
            ConfigValueError: a blank text, or a network whose classes cannot be changed.
            MissingExtra, FileNotFoundError: the text encoder is not there, see `nn.text_model`.
        """
        named = [str(name) for name in classes]
        if any(not name.strip() for name in named):
            raise ConfigValueError(f"a class needs a text, got {named}")
        network = self._network()
        if embeddings is None:
            if list(self.names.values()) == named:
                return
            embeddings = network.get_text_pe(named)
        network.set_classes(named, embeddings)
        self.predictor = None

    def get_vocab(self, names: Sequence[str]) -> nn.ModuleList:
        """Fold texts into the network for good, and return its class layers for `set_vocab` of another."""
        found: nn.ModuleList = self._network().get_vocab(names)
        return found

    def set_vocab(
        self,
        vocab: nn.ModuleList,
        names: Sequence[str],
        one2one_vocab: nn.ModuleList | None = None,
    ) -> None:
        """Build a vocabulary in for good, so that no prompt is needed; see `YOLOEModel.set_vocab`."""
        self._network().set_vocab(vocab, names, one2one_vocab=one2one_vocab)
        self.predictor = None

    def save_prompt_embeddings(self, file: str | Path) -> Path:
        """Write the classes that were set, with their embeddings, as .npz.

        Raises:
            ConfigValueError: no classes were set.
        """
        from ultralytics.models.yolo.yoloe.prompts import write_embeddings

        stored = getattr(self._network(), "pe", None)
        if stored is None:
            raise ConfigValueError("there are no prompt embeddings to save; call set_classes first")
        return write_embeddings(file, list(self.names.values()), stored, self._identity())

    def load_prompt_embeddings(self, file: str | Path) -> None:
        """Use the classes of a file that `save_prompt_embeddings` wrote for the same model.

        Raises:
            ConfigValueError: the file does not fit.
        """
        from ultralytics.models.yolo.yoloe.prompts import read_embeddings

        width = self._network().model[-1].embed
        self.set_classes(*read_embeddings(file, self._identity(), width))

    def _identity(self) -> str:
        """What embeddings of this model are marked with; the mask variant has the same ones."""
        return Path(str(self.ckpt_path or self.cfg or self.model_name)).stem.removesuffix("-seg")

    # ---------------------------------------------------------------- prediction and validation

    def predict(  # type: ignore[override]
        self,
        source: Any = None,
        stream: bool = False,
        visual_prompts: Mapping[str, Any] | None = None,
        refer_image: Any = None,
        predictor: Any = None,
        **kwargs: Any,
    ) -> list[Results] | Iterator[Results]:
        """Run the model, on its classes or on regions of pictures.

        Args:
            source: see `Model.predict`.
            stream: return a generator that keeps one result at a time.
            visual_prompts: "bboxes" (n, 4) corners in pixels and "cls" (n,), for every picture, or lists with one
                array per picture of the source.
            refer_image: picture that the prompts belong to; what it shows stays the model's classes. For videos
                it is their first frame.
            predictor: class to use instead of the task's.
            **kwargs: any prediction argument; `agnostic_nms` is on by default.
        """
        from ultralytics.models.yolo.yoloe.predict import YOLOEVPDetectPredictor

        kwargs.setdefault("agnostic_nms", True)
        if not visual_prompts:
            if isinstance(self.predictor, YOLOEVPDetectPredictor):
                self.predictor = None
            return super().predict(source, stream, predictor=predictor, **kwargs)
        refer_image = _first_frame(source) if refer_image is None else refer_image
        made = self._prompted(visual_prompts, source, refer_image, predictor, kwargs)
        if refer_image is None:
            results: list[Results] | Iterator[Results] = made(source=source, stream=stream)
            return results
        self.set_classes(list(made.class_names.values()), made.get_vpe(refer_image).cpu())
        return super().predict(source, stream, **kwargs)

    def _prompted(
        self, prompts: Mapping[str, Any], source: Any, refer: Any, kind: Any, call: dict[str, Any]
    ) -> Any:
        """The predictor for some prompts."""
        from ultralytics.models.yolo.yoloe import predict
        from ultralytics.models.yolo.yoloe.prompts import checked_prompts

        network = self._network()
        if network.model[-1].is_fused or network.model[-1].has_vocabulary:
            raise ConfigValueError(
                "this network has fixed classes, so visual prompts have no effect"
            )
        checked = checked_prompts(prompts, source, refer is not None)
        default = (
            predict.YOLOEVPSegPredictor
            if hasattr(network.model[-1], "proto")
            else predict.YOLOEVPDetectPredictor
        )
        args = arguments.for_prediction(self.overrides, {"batch": 1, **call})
        made = (kind or default)(overrides=args, _callbacks=self.callbacks)
        made.setup_model(model=network, verbose=False)
        made.set_prompts(checked)
        made.model.names = made.class_names
        self.predictor = made
        return made

    def val(
        self,
        validator: Any = None,
        load_vp: bool = False,
        refer_data: Any = None,
        **kwargs: Any,
    ) -> Any:  # Any: metrics of the task
        """Measure the model on a data set, whose names become the classes of a copy.

        Args:
            validator: class to use instead of the task's.
            load_vp: take the classes from labelled regions in place of texts.
            refer_data: data set of these regions; the measured one when absent.
            **kwargs: any validation argument.
        """
        kind = validator or self._smart_load("validator")

        def make(**options: Any) -> Any:
            made = kind(**options)
            made.load_vp, made.refer_data = load_vp, refer_data
            return made

        return super().val(validator=make, **{"rect": not load_vp, **kwargs})


def _first_frame(source: Any) -> Any:  # Any: a picture, or None
    """First frame of a video or stream; None for other sources."""
    from ultralytics.data.sources.dispatch import load_inference_source

    if not isinstance(source, (str, int, Path)):
        return None
    loader = load_inference_source(source, batch=1)
    try:
        is_moving = loader.source_type.stream or any(getattr(loader, "video_flag", ()))
        return next(iter(loader))[1][0] if is_moving else None
    finally:
        close = getattr(loader, "close", None)
        if close is not None:
            close()
