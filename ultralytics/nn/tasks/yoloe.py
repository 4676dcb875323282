"""YOLOE networks: classes are prompts, texts or image regions, or a built-in vocabulary.

Embeddings of classes are (B, K, 512) of unit length; `tpe` are embeddings of texts as the encoder gives them, `vpe` of
image regions, `pe` those the head compares with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigValueError
from ultralytics.nn.modules import LRPCHead, YOLOEDetect
from ultralytics.nn.tasks.base import Batch, Call
from ultralytics.nn.tasks.detection import DetectionModel
from ultralytics.nn.tasks.segmentation import SegmentationModel
from ultralytics.nn.text_model import encode_texts

if TYPE_CHECKING:
    from ultralytics.utils.loss import v8DetectionLoss

__all__ = ["YOLOEModel", "YOLOESegModel"]

DEFAULT_ENCODER = "mobileclip:blt"
UNFILTERED = 2  # the coarsest level has too few positions for a filter to pay

Names = Sequence[str] | Mapping[int, str]


class YOLOEModel(DetectionModel):
    """Detection network of classes given as prompts; arguments as `DetectionModel`.

    Attributes:
        pe: (1, K, 512) embeddings of the classes; absent until `set_classes`.
        text_model: name of the text encoder.
        clip_model: kept text encoder, if any.
    """

    text_model = DEFAULT_ENCODER
    clip_model: nn.Module | None = None
    pe: Tensor

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yoloe-v8s.yaml",  # Any: content of a model file
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)
        self.text_model = self.yaml.get("text_model") or DEFAULT_ENCODER

    @property
    def _prompted_head(self) -> YOLOEDetect:
        head = self.model[-1]
        assert isinstance(head, YOLOEDetect)  # what model files of this family end in
        return head

    # prompts

    @torch.no_grad()
    def get_text_pe(
        self,
        text: Sequence[str],
        batch: int = 80,
        cache_clip_model: bool = False,
        without_reprta: bool = False,
    ) -> Tensor:
        """Class embeddings (1, K, 512) of texts.

        Args:
            text: one text per class.
            batch: texts encoded at once.
            cache_clip_model: keep the text encoder in the network.
            without_reprta: return what the encoder gives.

        Raises:
            MissingExtra: the package that encodes texts is not installed.
            FileNotFoundError: the weights of the encoder are not there.
            ConfigValueError: no text.
        """
        found = encode_texts(self, self.text_model, text, batch, keep=cache_clip_model)
        embeddings = found if without_reprta else self._prompted_head.get_tpe(found)
        assert embeddings is not None  # only None gives None
        return embeddings

    def get_visual_pe(self, img: Tensor, visual: Tensor) -> Tensor:
        """Class embeddings (B, K, 512) of image regions.

        Args:
            img: (B, C, H, W) images in [0, 1].
            visual: (B, K, H / 8, W / 8) masks, or embeddings (B, K, 512), which are returned.
        """
        return self.predict(img, vpe=visual, return_vpe=True)

    def get_cls_pe(self, tpe: Tensor | None, vpe: Tensor | None) -> Tensor:
        """Embeddings the head compares with: the given prompts, else the classes that were set, else zeros."""
        head = self._prompted_head
        parts = [part for part in (head.get_tpe(tpe), vpe) if part is not None]
        if parts:
            return torch.cat(parts, dim=1)
        stored = getattr(self, "pe", None)
        return torch.zeros(1, head.nc, head.embed) if stored is None else stored

    def set_classes(self, names: Names, embeddings: Tensor) -> None:
        """Make prompts the classes.

        Args:
            names: one per class. With embeddings folded into the head they must be the ones that were folded.
            embeddings: (1, K, 512), see `get_text_pe`.

        Raises:
            ConfigValueError: the head has built-in or folded classes, or names and embeddings do not fit.
        """
        head = self._prompted_head
        listed = _listed(names)
        if head.has_vocabulary:
            raise ConfigValueError(
                "Prompt-free models have built-in classes; set classes on a text or visual prompt model"
            )
        if embeddings.ndim != 3 or embeddings.shape[1] != len(listed):
            raise ConfigValueError(
                f"{len(listed)} names need embeddings (1, {len(listed)}, {head.embed}), "
                f"got {tuple(embeddings.shape)}"
            )
        if head.is_fused and _plain(listed) != _plain(_listed(self.names)):
            raise ConfigValueError(
                "Class embeddings are fused into this network; set classes on an unfused one"
            )
        self.names = dict(enumerate(listed))
        self.pe = embeddings.detach()
        head.nc = len(listed)

    # built-in vocabularies

    def get_vocab(self, names: Names) -> nn.ModuleList:
        """Fold texts into this network, and return its class convolutions for `set_vocab` of another.

        Raises:
            ConfigValueError: classes are folded already.
        """
        head = self._prompted_head
        if head.is_fused:
            raise ConfigValueError(
                "Class embeddings are fused into this network; take the vocabulary of an unfused one"
            )
        listed = _listed(names)
        self.set_classes(listed, self.get_text_pe(listed))
        head.fuse(self.pe)
        branch = head.one2one if self.end2end else head.one2many
        branches: Any = branch["cls_head"]  # Any: sequences of layers that are indexed
        return nn.ModuleList(level[-1] for level in branches)

    def set_vocab(
        self, vocab: nn.ModuleList, names: Names, one2one_vocab: nn.ModuleList | None = None
    ) -> None:
        """Build a vocabulary in: class convolutions of `get_vocab`, and the own last ones as filter.

        Args:
            vocab: class convolution of every level.
            names: one per class.
            one2one_vocab: the same for the NMS-free branch, when both branches are to stay.

        Raises:
            ConfigValueError: the network is in training mode or has a vocabulary already.
        """
        head = self._prompted_head
        if self.training or head.has_vocabulary:
            state = "in training mode" if self.training else "prompt-free already"
            raise ConfigValueError(f"a vocabulary cannot be built into a network that is {state}")
        if one2one_vocab is None:
            branch = head.one2one if head.end2end else head.one2many
            head.fuse()
            head.lrpc = _proposing(vocab, branch)
        else:
            head.lrpc = _proposing(vocab, head.one2many)
            head.one2one_lrpc = _proposing(one2one_vocab, head.one2one)
        listed = _listed(names)
        head.nc = len(listed)
        head.no = head.nc + 4 * head.reg_max
        self.names = dict(enumerate(listed))

    # forward

    def predict(  # type: ignore[override]
        self,
        x: Tensor,
        profile: bool = False,
        tpe: Tensor | None = None,
        augment: bool = False,
        embed: Sequence[int] | None = None,
        vpe: Tensor | None = None,
        return_vpe: bool = False,
    ) -> Any:  # Any: see `YOLOEDetect`
        """Run the network.

        Args:
            x: (B, C, H, W) images in [0, 1].
            profile: log time and size of every row.
            tpe: (1 or B, K, 512) embeddings of texts as the encoder gives them.
            augment: has no effect, this family has one scale.
            embed: row numbers; instead of predictions, one vector per image of their pooled outputs.
            vpe: (B, K, H / 8, W / 8) masks of regions, or their embeddings. With both, texts come first.
            return_vpe: give the embeddings of the regions in place of predictions.
        """
        if augment:
            return self._predict_augment(x)
        call = self._prompt(x, tpe, vpe, return_vpe)
        return self._predict_once(x, profile, embed, call)

    def _caller(self, x: Any) -> Call:  # Any: as the base class
        return self._prompt(x)

    def _prompt(
        self,
        x: Tensor,
        tpe: Tensor | None = None,
        vpe: Tensor | None = None,
        return_vpe: bool = False,
    ) -> Call:
        """How rows are called for a batch: the head with the embeddings of the classes."""

        def call(row: nn.Module, inputs: Any) -> Any:  # Any: between rows
            if not isinstance(row, YOLOEDetect):
                return row(inputs)
            regions = None if vpe is None else row.get_vpe(inputs, vpe)
            if return_vpe:
                return regions
            classes = self.get_cls_pe(tpe, regions).to(inputs[0])
            if row.export or classes.shape[0] != x.shape[0]:
                classes = classes.expand(x.shape[0], -1, -1)
            return row([*inputs, classes])

        return call

    # losses

    def loss(
        self, batch: Batch, preds: Any = None
    ) -> tuple[Tensor, Any]:  # Any: raw predictions; named values
        """As the base class; a batch may hold "txt_feats" (B, K, 512) or, which win, "visuals", masks of regions."""
        visuals = batch.get("visuals")
        is_new = getattr(self, "criterion", None) is None
        if is_new and visuals is not None:
            self.criterion = self._criterion(by_region=True)  # compares with the classes so far
        if preds is None:
            texts = batch.get("txt_feats") if visuals is None else None
            preds = self.predict(batch["img"], tpe=texts, vpe=visuals)
        if is_new and visuals is None:
            self.criterion = self._criterion(by_region=False)  # the call has set the classes
        return self.criterion(preds, batch)

    def _criterion(self, by_region: bool) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        from ultralytics.utils.loss import E2ELoss

        kind: Any = self._loss_of_regions() if by_region else self._loss_of_texts()
        dual = getattr(self.model[-1], "one2one_cv2", None) is not None
        return E2ELoss(self, kind) if dual else kind(self)

    def init_criterion(self) -> Callable[[Any, Batch], tuple[Tensor, Any]]:
        """Loss of classes given as texts, on one branch, or on both for heads that have two."""
        return self._criterion(by_region=False)

    def _loss_of_texts(self) -> type[v8DetectionLoss]:
        from ultralytics.utils.loss import v8DetectionLoss

        return v8DetectionLoss

    def _loss_of_regions(self) -> Any:  # Any: a loss class
        from ultralytics.utils.loss import TVPDetectLoss

        return TVPDetectLoss


class YOLOESegModel(YOLOEModel, SegmentationModel):
    """Instance segmentation network of classes given as prompts; arguments as `DetectionModel`."""

    def __init__(
        self,
        cfg: str | Path | dict[str, Any] = "yoloe-v8s-seg.yaml",  # Any: content of a model file
        ch: int = 3,
        nc: int | None = None,
        verbose: bool = True,
    ) -> None:
        super().__init__(cfg, ch, nc, verbose)

    def _loss_of_texts(self) -> type[v8DetectionLoss]:
        from ultralytics.utils.loss import v8SegmentationLoss

        return v8SegmentationLoss

    def _loss_of_regions(self) -> Any:  # Any: a loss class
        from ultralytics.utils.loss import TVPSegmentLoss

        return TVPSegmentLoss


def _listed(names: Names) -> list[str]:
    values = names.values() if isinstance(names, Mapping) else names
    listed = [str(name) for name in values]
    if not listed:
        raise ConfigValueError("at least one class name is needed")
    return listed


def _plain(names: Sequence[str]) -> list[str]:
    """Names without the synonyms behind a slash."""
    return [name.split("/")[0] for name in names]


def _proposing(vocab: nn.ModuleList, branch: Mapping[str, nn.ModuleList | None]) -> nn.ModuleList:
    """Move the last layers of a branch into vocabulary layers."""
    boxes: Any = branch["box_head"]  # Any: sequences of layers that are indexed
    classes: Any = branch["cls_head"]  # Any: as above
    made = nn.ModuleList(
        LRPCHead(words, cls[-1], box[-1], enabled=level != UNFILTERED)
        for level, (words, cls, box) in enumerate(zip(vocab, classes, boxes, strict=True))
    )
    for stack in (*boxes, *classes):
        del stack[-1]
    return made
