"""Encoders of texts for open-vocabulary networks.

They are third-party packages and files with licences of their own, so nothing is fetched here: what is missing is
named, with the place it belongs. Embeddings are (K, D) of unit length.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ultralytics.errors import ConfigValueError, MissingExtra

__all__ = ["CLIP", "MobileCLIPTS", "TextModel", "build_text_model", "encode_texts"]

MOBILE_WEIGHTS = {"mobileclip": "mobileclip_blt.ts", "mobileclip2": "mobileclip2_b.ts"}
RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
CLIP_FILES = "https://github.com/openai/CLIP (table _MODELS in clip/clip.py)"


class TextModel(nn.Module):
    """What a network needs of an encoder."""

    @abstractmethod
    def tokenize(self, texts: str | list[str], truncate: bool = True) -> Tensor:
        """Token numbers (K, 77) of texts."""

    @abstractmethod
    def encode_text(self, texts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embeddings (K, D) of token numbers."""


class CLIP(TextModel):
    """An encoder of OpenAI's CLIP.

    Args:
        size: such as "ViT-B/32".
        device: where it runs.

    Raises:
        MissingExtra: the package is not installed.
        FileNotFoundError: its weights are not there.
    """

    def __init__(self, size: str, device: torch.device | str) -> None:
        super().__init__()
        self._package = _clip_package()
        name = size.replace("/", "-") + ".pt"
        weights = _found(name, CLIP_FILES, _weights_dir() / "clip")
        self.model, self.image_preprocess = self._package.load(str(weights), device=device)
        self.device = device
        self.eval()

    def tokenize(self, texts: str | list[str], truncate: bool = True) -> Tensor:
        """Token numbers (K, 77); longer texts are cut, or refused without `truncate`."""
        tokens: Tensor = self._package.tokenize(texts, truncate=truncate).to(self.device)
        return tokens

    @torch.inference_mode()
    def encode_text(self, texts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embeddings (K, 512) of token numbers."""
        return nn.functional.normalize(self.model.encode_text(texts).to(dtype), dim=-1)

    @torch.inference_mode()
    def encode_image(self, image: Any, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embeddings (B, 512) of a ready tensor, or of a PIL picture."""
        if not isinstance(image, Tensor):
            image = self.image_preprocess(image).unsqueeze(0)
        return nn.functional.normalize(
            self.model.encode_image(image.to(self.device)).to(dtype), dim=-1
        )


class MobileCLIPTS(TextModel):
    """An encoder of Apple's MobileCLIP as a TorchScript file, which ends in unit length itself.

    Args:
        device: where it runs.
        weight: name of the file.

    Raises:
        MissingExtra: the package of the tokenizer is not installed.
        FileNotFoundError: the file is not there.
    """

    def __init__(
        self, device: torch.device | str, weight: str = MOBILE_WEIGHTS["mobileclip"]
    ) -> None:
        super().__init__()
        self._package = _clip_package()
        file = _found(weight, f"{RELEASE}/{weight}", Path(), _weights_dir())
        self.encoder = torch.jit.load(str(file), map_location=device)
        self.device = device

    def tokenize(self, texts: str | list[str], truncate: bool = True) -> Tensor:
        """Token numbers (K, 77); longer texts are cut, or refused without `truncate`."""
        tokens: Tensor = self._package.tokenize(texts, truncate=truncate).to(self.device)
        return tokens

    @torch.inference_mode()
    def encode_text(self, texts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Embeddings (K, 512) of token numbers."""
        found: Tensor = self.encoder(texts)
        return found.to(dtype)


def build_text_model(variant: str, device: torch.device | str | None = None) -> TextModel:
    """The encoder of a name such as "clip:ViT-B/32", "mobileclip:blt" or "mobileclip2:b".

    Raises:
        ConfigValueError: no encoder has this name.
        MissingExtra: its package is not installed.
        FileNotFoundError: its weights are not there.
    """
    base, _, size = variant.partition(":")
    device = device or "cpu"
    if base == "clip" and size:
        return CLIP(size, device)
    if base in MOBILE_WEIGHTS and size:
        return MobileCLIPTS(device, MOBILE_WEIGHTS[base])
    raise ConfigValueError(
        f"no text encoder is called {variant!r}; use clip:SIZE, mobileclip:SIZE or mobileclip2:SIZE"
    )


@lru_cache(maxsize=1)
def _kept(variant: str, device: str) -> TextModel:
    return build_text_model(variant, device)


def encode_texts(
    network: nn.Module, variant: str, texts: Sequence[str], batch: int, keep: bool = False
) -> Tensor:
    """Embeddings (1, K, D) of texts, on the device and in the type of a network.

    Args:
        network: whose device and type.
        variant: name of the encoder.
        texts: one per class.
        batch: texts encoded at once.
        keep: hold the encoder in memory for the next call.

    Raises:
        ConfigValueError: no text.
        MissingExtra, FileNotFoundError: as `build_text_model`.
    """
    listed = [str(text) for text in texts]
    if not listed:
        raise ConfigValueError("at least one class name is needed")
    like = next(network.parameters())
    encoder = _kept(variant, str(like.device)) if keep else build_text_model(variant, like.device)
    parts = [encoder.encode_text(part).detach() for part in encoder.tokenize(listed).split(batch)]
    joined = parts[0] if len(parts) == 1 else torch.cat(parts)
    # a copy, because training must not meet tensors of inference mode
    return joined.reshape(1, len(listed), joined.shape[-1]).to(like, copy=True)


def _clip_package() -> Any:  # Any: a module without annotations
    try:
        return import_module("clip")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "texts as classes need OpenAI's package clip: pip install clip-anytorch "
            "(or git+https://github.com/openai/CLIP); embeddings of your own work without it: "
            "set_classes(names, embeddings)"
        ) from error


def _weights_dir() -> Path:
    from ultralytics.utils import SETTINGS

    return Path(SETTINGS["weights_dir"])


def _found(name: str, source: str, *folders: Path) -> Path:
    """A file in one of some folders."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"the text encoder needs the file {name}, which is not fetched by itself; "
        f"get it from {source} and put it into {folders[-1].absolute()}"
    )
