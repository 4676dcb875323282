"""Matching and denoising of transformer decoders."""

from ultralytics.nn.modules.head.denoising import get_cdn_group
from ultralytics.utils.loss.hungarian import HungarianMatcher
from ultralytics.utils.ops import linear_sum_assignment
from ultralytics.utils.publishing import publish

__all__ = ("HungarianMatcher", "get_cdn_group", "linear_sum_assignment")

publish(__name__, ("HungarianMatcher",))
