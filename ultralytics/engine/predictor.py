"""Prediction, from a source to results.

The generator `stream_inference` is the story: open the source, then per batch make a tensor, run the network, turn
its output into results, write what was asked for, and yield. Runs of the same predictor may be interleaved or go on in
several threads, each with its own `Run`; only the call of the network is guarded by a lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ultralytics.data.augment import LetterBox
from ultralytics.data.sources.dispatch import load_inference_source
from ultralytics.data.sources.types import SourceTypes
from ultralytics.engine.prediction.batches import (
    Batch,
    batches_of,
    check_channels,
    worth_reading_ahead,
)
from ultralytics.engine.prediction.report import report
from ultralytics.engine.prediction.run import STAGES, Run
from ultralytics.engine.prediction.saving import OldCrops
from ultralytics.engine.prediction.tensors import as_input
from ultralytics.engine.prediction.tiles import check_tiles, cut, predict_tiles
from ultralytics.engine.prediction.videos import VideoWriters
from ultralytics.engine.prediction.writing import ResultWriter
from ultralytics.nn.autobackend import AutoBackend
from ultralytics.utils.checks import check_imgsz
from ultralytics.utils.logging import LOGGER
from ultralytics.utils.ops import Profile
from ultralytics.utils.torch_utils import select_device

__all__ = ["STREAM_WARNING", "BasePredictor"]

STREAM_WARNING = """
Results of this source pile up in memory because a list of all of them was asked for. Videos, streams and large
folders may exhaust it. With stream=True the same call gives a generator that holds one batch at a time:

    for result in model(source, stream=True):
        boxes = result.boxes
"""
MANY_IMAGES = 1000
LEAST_MAX_DET = 300  # rows an end-to-end head gives at least, so that a class filter has something to choose from


class BasePredictor(ResultWriter):
    """Runs a network over a source; tasks override `postprocess`.

    Args:
        cfg: settings, a file of them, or their table.
        overrides: settings that replace those.
        _callbacks: event name -> handlers; shared with the giver if it is a table of ours.

    Attributes:
        model: the network, once `setup_model` has run.
        device: where it runs.
        data: data set description that names classes, as given.
        done_warmup: whether the network has run once.
    """

    scale_fill = False  # stretch pictures to the input instead of padding them
    trackable = False  # whether results can be followed through frames
    tileable = False  # whether `merge_tiles` is there

    # Set-up ---------------------------------------------------------------------------------------------------------

    def setup_model(self, model: nn.Module | str | Path | None, verbose: bool = True) -> None:
        """Prepare a copy of a network for inference on the device of the settings.

        Args:
            model: module or weights file; the one of the settings when not given.
            verbose: log the device and the network's size.
        """
        args = self.args
        self.model = AutoBackend(
            model=model or args.model,
            device=select_device(args.device, verbose=verbose),
            dnn=args.dnn,
            data=args.data,
            fp16=args.quantize == 16,
            channels_last=args.channels_last,
            fuse=True,
            verbose=verbose,
            end2end=args.nms is False,
        )
        self.model.eval()
        self.model.compile_network(args.compile)
        self.device = self.model.device

    def setup_source(self, source: Any, stride: int | None = None) -> None:
        """Open a source with the loader it needs.

        Args:
            source: see `ultralytics.data.sources.dispatch.check_source`.
            stride: what input sides must be multiples of; the network's when not given.

        Raises:
            SourceError: a source that is missing or empty.
            TypeError: a kind of object that cannot be a source.
        """
        size = self.args.imgsz
        if self.model.imgsz and not self.model.dynamic:
            size = self.model.imgsz
        self.imgsz = check_imgsz(size, stride=stride or self.model.stride, min_dim=2)
        self.dataset = load_inference_source(
            source=source,
            batch=self.args.batch,
            vid_stride=self.args.vid_stride,
            buffer=self.args.stream_buffer,
            channels=self.model.channels,
        )
        self.source_type = self.dataset.source_type
        self.vid_writer = VideoWriters()

    def _piles_up(self) -> bool:
        kind: SourceTypes = self.source_type
        large = len(self.dataset) > MANY_IMAGES or any(getattr(self.dataset, "video_flag", ()))
        return kind.stream or kind.screenshot or large

    # Steps of a batch -----------------------------------------------------------------------------------------------

    def preprocess(self, im: Any) -> Tensor:
        """Network input (B, c, h, w), RGB 0-1, of a list of (h, w, c) BGR pictures, or of a ready tensor."""
        assert self.device is not None  # set with the model
        if isinstance(im, Tensor):
            return im.to(self.device).to(torch.float16 if self.model.fp16 else torch.float32)
        channels_last = bool(getattr(self.model, "channels_last", False))
        return as_input(self.pre_transform(im), self.device, self.model.fp16, channels_last)

    def pre_transform(self, im: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Pictures resized and padded to the network input.

        The padding is the least that fits the stride when all pictures have one shape, otherwise it fills the full
        size. Files that were given as a list count together, so that the batch size does not change results.
        """
        one_shape = not self._run.mixed and len({picture.shape for picture in im}) == 1
        current = self._run.current
        is_frames = current is not None and current.mode != "image"
        together = is_frames or getattr(self.dataset, "one_shape", None) is not False
        flexible = self.model.format == "pt" or (self.model.dynamic and self.model.format != "imx")
        fit = LetterBox(
            self.imgsz,
            auto=one_shape and together and self.args.rect and not self.scale_fill and flexible,
            scale_fill=self.scale_fill,
            stride=self.model.stride,
        )
        return [fit(image=picture) for picture in im]

    def inference(
        self, im: Tensor, *args: Any, **kwargs: Any
    ) -> Any:  # Any: outputs differ by task
        """Run the network on an input."""
        settings = self.args
        with self._lock:
            self._set_head(settings)
            plain = not settings.augment and not settings.embed and not self.source_type.tensor
            if settings.visualize and plain:
                return self._activation_maps(im, *args, **kwargs)
            return self.model(im, *args, augment=settings.augment, embed=settings.embed, **kwargs)

    def _set_head(self, settings: Any) -> None:
        if not self.model.end2end:
            return
        head = self.model.base_model.model[-1]
        head.max_det = max(settings.max_det, LEAST_MAX_DET)
        head.agnostic_nms = settings.agnostic_nms

    def _activation_maps(self, im: Tensor, *args: Any, **kwargs: Any) -> Any:
        from ultralytics.utils.plotting.cam import class_activation_map

        with torch.inference_mode(False):
            return class_activation_map(
                self.model.base_model,
                im.clone(),
                self.batch[0],
                self.save_dir,
                *args,
                conf=self.args.conf,
                classes=self.args.classes,
                **kwargs,
            )

    def postprocess(self, preds: Any, img: Tensor, orig_imgs: Any) -> Any:
        """Results of the network's output; the plain predictor returns the output."""
        return preds

    def merge_tiles(self, pieces: Any, picture: np.ndarray[Any, Any]) -> Any:
        """Result of a picture from those of its windows, and what a tracker wants to know of it.

        Args:
            pieces: see `ultralytics.engine.prediction.tile_merge.Piece`.
            picture: (h, w, c) BGR.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot merge tiles")

    # The run --------------------------------------------------------------------------------------------------------

    def __call__(
        self, source: Any = None, model: Any = None, stream: bool = False, *args: Any, **kwargs: Any
    ) -> Any:
        """Predict a source: a generator of results with `stream`, else a list.

        Args:
            source: see `setup_source`.
            model: network for the first run, when none is set up.
            stream: give a generator.
            *args: passed to the network.
            **kwargs: passed to the network.
        """
        if stream:
            return self.stream_inference(source, model, *args, **kwargs)
        return list(self._results(self._new_run(), source, model, True, args, kwargs))

    def predict_cli(self, source: Any = None, model: Any = None) -> None:
        """Predict a source for its files and log lines; results are not kept."""
        for _ in self.stream_inference(source, model):
            pass

    def stream_inference(
        self, source: Any = None, model: Any = None, *args: Any, **kwargs: Any
    ) -> Iterator[Any]:
        """Results of a source one by one; the run ends when the generator is closed or exhausted."""
        return self._results(self._new_run(), source, model, False, args, kwargs)

    def _results(
        self,
        run: Run,
        source: Any,
        model: Any,
        keeps: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Iterator[Any]:
        self._open(run, source, model, keeps)
        failed = True
        try:
            with self._working_on(run):
                self.run_callbacks("on_predict_start")
            for batch in run.batches:
                with self._working_on(run), torch.inference_mode():
                    outputs = self._step(run, batch, args, kwargs)
                yield from outputs
                if run.stopped:
                    break
            failed = False
        except (GeneratorExit, KeyboardInterrupt):  # the consumer has enough
            failed = False
            raise
        finally:
            self._closed(run, failed)

    def _open(self, run: Run, source: Any, model: Any, keeps: bool) -> None:
        """Open the source of a run and make its folders."""
        settings = run.args
        check_tiles(self, settings)
        if settings.verbose:
            LOGGER.info("")
        with self._lock:
            if self.model is None:
                self.setup_model(model)
        with self._working_on(run):
            self.setup_source(settings.source if source is None else source)
            if keeps and self._piles_up():
                LOGGER.warning(STREAM_WARNING)
        if settings.save or settings.save_txt:
            folder = run.save_dir / "labels" if settings.save_txt else run.save_dir
            folder.mkdir(parents=True, exist_ok=True)
        run.crops = OldCrops(run.save_dir / "crops") if settings.save_crop else None
        run.timers = tuple(Profile(device=self.device) for _ in STAGES)
        run.batches = batches_of(run.dataset, ahead=worth_reading_ahead(run.dataset))

    def _step(
        self, run: Run, batch: Batch, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # Any: results, or vectors when embedding
        """Predict one batch and write its files."""
        run.current = batch
        run.batch = (batch.paths, batch.images, batch.infos)
        self.run_callbacks("on_predict_batch_start")
        check_channels(batch, self.model.channels)
        windows = cut(batch.images, run.args)
        if windows is None:
            im, found = self._predict(run, batch, args, kwargs)
        else:
            im, found = predict_tiles(
                self, run, batch, windows, lambda part: self._predict(run, part, args, kwargs)
            )
        if run.args.embed:
            return found
        run.results = found
        self.run_callbacks("on_predict_postprocess_end")
        self._write(run, batch, im)
        self.run_callbacks("on_predict_batch_end")
        return run.results

    def _predict(
        self, run: Run, batch: Batch, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Tensor, Any]:  # Any: results, or vectors when embedding
        """The network input of some pictures and what was found in them."""
        preparing, running, finishing = run.timers
        run.batch = (batch.paths, batch.images, batch.infos)
        with preparing:
            im = self.preprocess(batch.images)
        run.input_shape = tuple(im.shape)
        if not self.done_warmup:
            with self._lock:
                self.model.warmup(im=im)
            self.done_warmup = True
        with running:
            preds = self.inference(im, *args, **kwargs)
        if run.args.embed:
            return im, [preds] if isinstance(preds, Tensor) else list(preds)
        with finishing:
            return im, self.postprocess(preds, im, batch.images)

    def _write(self, run: Run, batch: Batch, im: Tensor) -> None:
        """Count, time, write and log the results of a batch."""
        settings = run.args
        count = len(batch)
        speed = {
            name: timer.dt * 1e3 / count for name, timer in zip(STAGES, run.timers, strict=True)
        }
        wanted = (
            settings.verbose
            or settings.save
            or settings.save_txt
            or settings.save_crop
            or settings.show
        )
        try:
            for index in range(count):
                run.seen += 1
                run.area += im.shape[2] * im.shape[3]
                run.results[index].speed = dict(speed)
                if wanted:
                    batch.infos[index] += self.write_results(
                        index, Path(batch.paths[index]), im, batch.infos
                    )
        except StopIteration:
            run.stopped = True
            run.results = run.results[: index + 1]
        if settings.verbose:
            LOGGER.info("\n".join(batch.infos))

    def _closed(self, run: Run, failed: bool) -> None:
        """Release what a run holds; unless it failed, report and tell the handlers."""
        run.batches.close()
        run.vid_writer.release()
        close = getattr(run.dataset, "close", None)
        if close is not None:
            close()
        if run.windows:
            import cv2

            for title in run.windows:
                cv2.destroyWindow(title)
        if failed:
            return
        with self._working_on(run):
            report(run)
            self.run_callbacks("on_predict_end")
