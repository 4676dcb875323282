"""Sample transforms; each file holds one family, this package is their public home."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.data.augment.affine import RandomPerspective as RandomPerspective
    from ultralytics.data.augment.albumentations import Albumentations as Albumentations
    from ultralytics.data.augment.classify import DEFAULT_MEAN as DEFAULT_MEAN
    from ultralytics.data.augment.classify import DEFAULT_STD as DEFAULT_STD
    from ultralytics.data.augment.classify import CenterCrop as CenterCrop
    from ultralytics.data.augment.classify import ClassifyLetterBox as ClassifyLetterBox
    from ultralytics.data.augment.classify import ToTensor as ToTensor
    from ultralytics.data.augment.classify import classify_augmentations as classify_augmentations
    from ultralytics.data.augment.classify import classify_transforms as classify_transforms
    from ultralytics.data.augment.colour import RandomHSV as RandomHSV
    from ultralytics.data.augment.compose import BaseMixTransform as BaseMixTransform
    from ultralytics.data.augment.compose import BaseTransform as BaseTransform
    from ultralytics.data.augment.compose import Compose as Compose
    from ultralytics.data.augment.fast import FastDetectPipeline as FastDetectPipeline
    from ultralytics.data.augment.flip import RandomFlip as RandomFlip
    from ultralytics.data.augment.format import Format as Format
    from ultralytics.data.augment.format import SemanticFormat as SemanticFormat
    from ultralytics.data.augment.letterbox import LetterBox as LetterBox
    from ultralytics.data.augment.mix import CutMix as CutMix
    from ultralytics.data.augment.mix import MixUp as MixUp
    from ultralytics.data.augment.mosaic import Mosaic as Mosaic
    from ultralytics.data.augment.paste import CopyPaste as CopyPaste
    from ultralytics.data.augment.recipe import v8_transforms as v8_transforms
    from ultralytics.data.augment.text import LoadVisualPrompt as LoadVisualPrompt
    from ultralytics.data.augment.text import RandomLoadText as RandomLoadText

_FAMILIES = {
    "affine": ("RandomPerspective",),
    "albumentations": ("Albumentations",),
    "classify": (
        "DEFAULT_MEAN",
        "DEFAULT_STD",
        "CenterCrop",
        "ClassifyLetterBox",
        "ToTensor",
        "classify_augmentations",
        "classify_transforms",
    ),
    "colour": ("RandomHSV",),
    "compose": ("BaseMixTransform", "BaseTransform", "Compose"),
    "fast": ("FastDetectPipeline",),
    "flip": ("RandomFlip",),
    "format": ("Format", "SemanticFormat"),
    "letterbox": ("LetterBox",),
    "mix": ("CutMix", "MixUp"),
    "mosaic": ("Mosaic",),
    "paste": ("CopyPaste",),
    "recipe": ("v8_transforms",),
    "text": ("LoadVisualPrompt", "RandomLoadText"),
}

__getattr__, __dir__, __all__ = attach(
    __name__,
    {name: f"{__name__}.{family}" for family, names in _FAMILIES.items() for name in names},
)
