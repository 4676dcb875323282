"""Files and windows of a run: label files, crops, painted pictures and videos."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ultralytics.data.sources.types import SourceTypes
from ultralytics.engine.prediction.runner import Runner
from ultralytics.engine.prediction.saving import without_media_suffix, write_jpeg
from ultralytics.engine.prediction.windows import show_picture
from ultralytics.engine.results import Results

__all__ = ["ResultWriter"]


class ResultWriter(Runner):
    """A predictor's methods that write what was asked for; subclasses may replace each."""

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
        base = run.names.of(f"{slot}:{p}" if kind.stream else str(p), lasting=batch.mode != "image")
        frame = batch.frames[i]
        stem = base if batch.mode == "image" or frame is None else f"{base}_{frame}"
        run.txt_path = run.save_dir / "labels" / stem
        if settings.save or settings.show:
            run.plotted_img = result.plot(
                line_width=settings.line_width,
                boxes=settings.show_boxes,
                conf=settings.show_conf,
                labels=settings.show_labels,
            )
        self._save_tables(result, stem)
        if settings.save:
            self.save_predicted_images(run.save_dir / base, frame or 0)
        if settings.show:
            self.show(str(p))
        return text

    def _save_tables(self, result: Results, stem: str) -> None:
        """Write the label file and the crops of one result, where they were asked for."""
        run, settings = self._run, self.args
        if settings.save_txt:
            label_file = run.save_dir / "labels" / f"{stem}.txt"
            label_file.unlink(missing_ok=True)
            self.save_labels(result, label_file)
        if settings.save_crop:
            if run.crops is not None:
                run.crops.clear(stem)
            result.save_crop(run.save_dir / "crops", file_name=f"{stem}.jpg")

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
