"""Inference loaders under their public path. Each kind of source has its own file in `ultralytics.data.sources`."""

from ultralytics.data.sources.arrays import LoadPilAndNumpy, autocast_list
from ultralytics.data.sources.dispatch import LOADERS
from ultralytics.data.sources.files import LoadImagesAndVideos
from ultralytics.data.sources.screen import LoadScreenshots
from ultralytics.data.sources.streams import LoadStreams
from ultralytics.data.sources.tensors import LoadTensor
from ultralytics.data.sources.types import SourceTypes
from ultralytics.data.sources.youtube import get_best_youtube_url

__all__ = [
    "LOADERS",
    "LoadImagesAndVideos",
    "LoadPilAndNumpy",
    "LoadScreenshots",
    "LoadStreams",
    "LoadTensor",
    "SourceTypes",
    "autocast_list",
    "get_best_youtube_url",
]
