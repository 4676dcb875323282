"""Prediction, from a source to results.

The generator `stream_inference` is the story: open the source, then per batch make a tensor, run the network, turn
its output into results, write what was asked for, and yield. Everything one run knows lives in a `Run`; runs of the
same predictor may be interleaved or go on in several threads, only the call of the network is guarded by a lock. The
public attributes (`results`, `batch`, `dataset`, ...) show the run that is being worked on in the current thread,
between steps the one that moved last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ultralytics.cfg import DEFAULT_CFG, get_cfg, get_save_dir
from ultralytics.data.augment import LetterBox
from ultralytics.data.sources.dispatch import load_inference_source
from ultralytics.data.sources.types import SourceTypes
from ultralytics.engine.prediction.batches import Batch, batches_of, worth_reading_ahead
from ultralytics.engine.prediction.run import REPORTED, OfRun, Run
from ultralytics.engine.prediction.saving import (
    OldCrops,
    VideoWriters,
    without_media_suffix,
    write_jpeg,
)
from ultralytics.engine.prediction.tensors import as_input
from ultralytics.engine.prediction.windows import show_picture
from ultralytics.engine.results import Results
from ultralytics.events import CallbackTable, EventBus, Handler
from ultralytics.nn.autobackend import AutoBackend
from ultralytics.utils.checks import check_imgsz, check_imshow
from ultralytics.utils.logging import LOGGER, colorstr
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
DEFAULT_CONF = 0.25
LEAST_MAX_DET = 300  # rows an end-to-end head gives at least, so that a class filter has something to choose from
STAGES = ("preprocess", "inference", "postprocess")


def _settled(args: Any) -> Any:
    """Settings whose open choices are made: the confidence, and windows only where there is a display."""
    if args.conf is None:
        args.conf = DEFAULT_CONF
    if args.show:
        args.show = check_imshow(warn=True)
    return args


class BasePredictor:
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

    args = OfRun()
    save_dir = OfRun()
    imgsz = OfRun()
    dataset = OfRun()
    source_type = OfRun()
    batch = OfRun()
    results = OfRun()
    seen = OfRun()
    speed = OfRun()
    pixels = OfRun()
    plotted_img = OfRun()
    txt_path = OfRun()
    vid_writer = OfRun()
    windows = OfRun()
    transforms = OfRun()

    def __init__(
        self,
        cfg: Any = DEFAULT_CFG,  # Any: namespace, table or file
        overrides: dict[str, Any] | None = None,
        _callbacks: Any = None,
    ) -> None:
        args = _settled(get_cfg(cfg, overrides))
        self._active = threading.local()
        self._idle = Run(args, get_save_dir(args))
        self._lock = threading.Lock()
        self.model: Any = None  # Any: AutoBackend, whose attributes depend on the runtime
        self.device: torch.device | None = None
        self.data = args.data
        self.done_warmup = False
        self.screen: tuple[int, int] | None = None
        self.observer: Any = None  # Any: what a tracker watches post-processing with
        self.events = EventBus(_callbacks)
        if isinstance(
            _callbacks, CallbackTable
        ):  # handlers added to the model later are seen here too
            self.events.callbacks = _callbacks
        self.callbacks = self.events.callbacks

    # Runs and events ------------------------------------------------------------------------------------------------

    @property
    def _run(self) -> Run:
        """The run this thread works on, else the one that collects settings for the next."""
        run: Run = getattr(self._active, "run", None) or self._idle
        return run

    @contextmanager
    def _working_on(self, run: Run) -> Iterator[None]:
        """Make a run the one that public attributes show."""
        before = getattr(self._active, "run", None)
        self._active.run = run
        try:
            yield
        finally:
            self._active.run = before
            for name in REPORTED:
                setattr(self._idle, name, getattr(run, name))

    def run_callbacks(self, event: str) -> None:
        """Call the handlers of an event with this predictor."""
        self.events.emit(event, self)

    def add_callback(self, event: str, func: Handler) -> None:
        """Append a handler to an event."""
        self.events.subscribe(event, func)

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
        one_shape = len({picture.shape for picture in im}) == 1
        together = getattr(self.dataset, "one_shape", None) is not False
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

    def _new_run(self) -> Run:
        """A run with the settings as they are now; later changes are for later runs."""
        return Run(_settled(self._idle.args), self._idle.save_dir)

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
        except GeneratorExit:
            failed = False
            raise
        finally:
            self._closed(run, failed)

    def _open(self, run: Run, source: Any, model: Any, keeps: bool) -> None:
        """Open the source of a run and make its folders."""
        settings = run.args
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
        preparing, running, finishing = run.timers
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
            return [preds] if isinstance(preds, Tensor) else list(preds)
        with finishing:
            run.results = self.postprocess(preds, im, batch.images)
        self.run_callbacks("on_predict_postprocess_end")
        self._write(run, batch, im)
        self.run_callbacks("on_predict_batch_end")
        return run.results

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
            self._report(run)
            self.run_callbacks("on_predict_end")

    def _report(self, run: Run) -> None:
        settings = run.args
        if run.seen:
            run.speed = {
                name: timer.t * 1e3 / run.seen
                for name, timer in zip(STAGES, run.timers, strict=True)
            }
            run.pixels = round(run.area / run.seen)
            if settings.verbose:
                shape = (min(settings.batch, run.seen), *run.input_shape[1:])
                times = ", ".join(f"{value:.1f}ms {name}" for name, value in run.speed.items())
                LOGGER.info(f"Speed: {times} per image at shape {shape}")
        if settings.save or settings.save_txt or settings.save_crop:
            text = f"Results saved to {colorstr('bold', str(run.save_dir))}"
            if settings.save_txt:
                count = len(list((run.save_dir / "labels").iterdir()))
                text += (
                    f"\n{count} label{'s' if count > 1 else ''} saved to {run.save_dir / 'labels'}"
                )
            LOGGER.info(text)

    def tracker_slots(self) -> list[int]:
        """Number of the stream that each result of the current batch came from."""
        batch = self._run.current
        return [] if batch is None else list(batch.slots)

    # Files and windows ----------------------------------------------------------------------------------------------

    def write_results(self, i: int, p: Path, im: Tensor, s: list[str]) -> str:
        """Write the files of one result and return its console text, without the part that came with the picture.

        Args:
            i: place in the batch.
            p: path of the picture.
            im: network input.
            s: start of the console line of each picture.
        """
        run, settings = self._run, self.args
        batch = run.current
        assert batch is not None  # set by the step that calls this
        kind: SourceTypes = run.source_type or SourceTypes()
        slot = batch.slots[i]
        numbered = kind.stream or kind.from_img or kind.tensor
        result: Results = run.results[i]
        result.save_dir = str(run.save_dir)
        text = f"{slot}: " if numbered else ""
        text += f"{im.shape[2]}x{im.shape[3]} {result.verbose()}{result.speed['inference']:.1f}ms"
        is_image = batch.mode == "image"
        base = run.names.of(f"{slot}:{p}" if kind.stream else str(p), lasting=not is_image)
        frame = batch.frames[i]
        stem = base if is_image or frame is None else f"{base}_{frame}"
        run.txt_path = run.save_dir / "labels" / stem
        if settings.save or settings.show:
            run.plotted_img = result.plot(
                line_width=settings.line_width,
                boxes=settings.show_boxes,
                conf=settings.show_conf,
                labels=settings.show_labels,
            )
        if settings.save_txt:
            label_file = run.save_dir / "labels" / f"{stem}.txt"
            label_file.unlink(missing_ok=True)
            self.save_labels(result, label_file)
        if settings.save_crop:
            if run.crops is not None:
                run.crops.clear(stem)
            result.save_crop(run.save_dir / "crops", file_name=f"{stem}.jpg")
        if settings.save:
            self.save_predicted_images(run.save_dir / base, frame or 0)
        if settings.show:
            self.show(str(p))
        return text

    def save_labels(self, result: Results, file: Path) -> None:
        """Write the label file of one result; tasks whose results have another form replace this."""
        result.save_txt(file, save_conf=self._run.args.save_conf)

    def save_predicted_images(self, save_path: Path, frame: int = 0) -> None:
        """Write the painted picture as JPEG, or append it to the video of its source.

        Args:
            save_path: file without suffix; that of an image or video is dropped.
            frame: number of the frame, for `save_frames`.
        """
        run = self._run
        target = without_media_suffix(Path(save_path))
        picture = run.plotted_img
        assert picture is not None  # painted by the step that calls this
        assert run.current is not None  # likewise
        if run.current.mode == "image":
            write_jpeg(target, picture)
            return
        if run.args.save_frames:
            write_jpeg(target.parent / f"{target.name}_frames" / f"{target.name}_{frame}", picture)
        rate = (
            run.current.fps / run.args.vid_stride
            if run.current.mode == "video"
            else run.current.fps
        )
        run.vid_writer.write(target, picture, max(1.0, rate))

    def show(self, p: str = "") -> None:
        """Show the painted picture in the window of its source.

        Raises:
            StopIteration: the viewer pressed q; the run ends.
        """
        run = self._run
        assert run.plotted_img is not None  # painted by the step that calls this
        assert run.current is not None  # likewise
        if show_picture(p, run.plotted_img, run.windows, run.current.mode == "image"):
            raise StopIteration
