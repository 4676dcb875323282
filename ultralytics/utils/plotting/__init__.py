"""Drawing pictures, batches, curves and result tables. Names load on first use."""

from typing import TYPE_CHECKING

from ultralytics._lazy import attach

if TYPE_CHECKING:
    from ultralytics.utils.plotting.annotator import Annotator as Annotator
    from ultralytics.utils.plotting.cam import class_activation_map as class_activation_map
    from ultralytics.utils.plotting.cam import feature_visualization as feature_visualization
    from ultralytics.utils.plotting.colors import Colors as Colors
    from ultralytics.utils.plotting.crops import save_one_box as save_one_box
    from ultralytics.utils.plotting.depth import colorize_depth as colorize_depth
    from ultralytics.utils.plotting.depth import plot_depth_panels as plot_depth_panels
    from ultralytics.utils.plotting.images import plot_images as plot_images
    from ultralytics.utils.plotting.labels import plot_labels as plot_labels
    from ultralytics.utils.plotting.results import plot_results as plot_results
    from ultralytics.utils.plotting.studies import (
        plot_multitrain_results as plot_multitrain_results,
    )
    from ultralytics.utils.plotting.studies import plot_tune_results as plot_tune_results
    from ultralytics.utils.plotting.studies import plt_color_scatter as plt_color_scatter

# `colors` is both a submodule and the palette object users import from here; binding the object now keeps the name
# from turning into the module. It is a small table that loads in microseconds.
from ultralytics.utils.plotting.colors import colors as colors

__getattr__, __dir__, _names = attach(
    __name__,
    {
        "Annotator": "ultralytics.utils.plotting.annotator",
        "Colors": "ultralytics.utils.plotting.colors",
        "class_activation_map": "ultralytics.utils.plotting.cam",
        "colorize_depth": "ultralytics.utils.plotting.depth",
        "feature_visualization": "ultralytics.utils.plotting.cam",
        "plot_depth_panels": "ultralytics.utils.plotting.depth",
        "plot_images": "ultralytics.utils.plotting.images",
        "plot_labels": "ultralytics.utils.plotting.labels",
        "plot_multitrain_results": "ultralytics.utils.plotting.studies",
        "plot_results": "ultralytics.utils.plotting.results",
        "plot_tune_results": "ultralytics.utils.plotting.studies",
        "plt_color_scatter": "ultralytics.utils.plotting.studies",
        "save_one_box": "ultralytics.utils.plotting.crops",
    },
)
__all__ = [*_names, "colors"]
