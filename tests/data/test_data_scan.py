"""Scanning with the cache: what is read again, what is reused."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import MakeSet, write_image, write_label
from ultralytics.data import scan
from ultralytics.data.cache import cache_path, pack
from ultralytics.data.formats import img2label_paths
from ultralytics.data.labels import LabelStore
from ultralytics.data.scan import Scan, log_problems, scan_files
from ultralytics.data.verify import LabelRule

RULE = LabelRule(2)


class Counter:
    """Counts verified files through the module's own function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[str] = []
        plain = scan.verify_pair
        monkeypatch.setattr(
            scan,
            "verify_pair",
            lambda im, lb, rule: (self.files.append(Path(im).stem), plain(im, lb, rule))[1],
        )

    def take(self) -> list[str]:
        taken, self.files = sorted(self.files), []
        return taken


def run(
    root: Path, names: list[str] | None = None, rule: LabelRule = RULE, cached: bool = True
) -> Scan:
    files = sorted(str(file) for file in (root / "images" / "train").iterdir())
    if names:
        files = [file for file in files if Path(file).stem in names]
    labels = img2label_paths(files)
    return scan_files(files, labels, rule, cache_path(labels) if cached else None)


def equal(a: LabelStore, b: LabelStore) -> bool:
    return np.array_equal(a.block, b.block) and np.array_equal(a.offsets, b.offsets)


def test_counts_and_labels(make_set: MakeSet) -> None:
    root = make_set().parent
    (root / "labels/train/im0.txt").unlink()
    found = run(root)
    assert found.counts == (5, 1, 1, 0, 6)
    assert found.store.offsets.tolist() == [0, 0, 1, 3, 3, 4, 6]
    assert found.store.shapes.tolist() == [[40, 60]] * 6
    assert found.problems == {}


def test_only_changed_files_are_read_again(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_set().parent
    counter = Counter(monkeypatch)
    first = run(root)
    assert len(counter.take()) == 6
    assert equal(run(root).store, first.store)
    assert counter.take() == []

    label = root / "labels/train/im1.txt"
    label.write_text("1 .5 .5 .1 .1\n0 .5 .5 .1 .1\n")
    write_image(root / "images/train/new.png")
    (root / "labels/train/im5.txt").unlink()
    second = run(root)
    assert counter.take() == ["im1", "im5", "new"]
    assert equal(second.store, run(root, cached=False).store)


def test_lists_sharing_a_folder_share_the_cache(
    make_set: MakeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_set().parent
    counter = Counter(monkeypatch)
    run(root, ["im0", "im1"])
    run(root, ["im3", "im4"])
    counter.take()
    assert len(run(root, ["im1", "im3"])) == 2
    assert counter.take() == []


def test_other_rules_scan_again(make_set: MakeSet) -> None:
    root = make_set().parent
    assert run(root).counts[3] == 0
    strict = run(root, rule=LabelRule(1))
    assert strict.counts[3] == 2  # images whose only class is 1
    assert {p.action for p in strict.all_problems()} == {"image dropped"}


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", pack({"format": "scan-1", "version": "1.0.12"}), pack([1])],
    ids=["empty", "garbage", "parts missing", "other tree"],
)
def test_an_unusable_cache_is_replaced(make_set: MakeSet, content: bytes) -> None:
    root = make_set().parent
    expected = run(root, cached=False)
    cache = root / "labels/train.cache"
    cache.write_bytes(content)
    assert equal(run(root).store, expected.store)
    assert cache.read_bytes() != content


def test_a_cache_whose_arrays_do_not_fit_is_not_used(make_set: MakeSet) -> None:
    root = make_set().parent
    expected = run(root)
    content = scan.load_dataset_cache_file(root / "labels/train.cache")
    content["offsets"][-1] += 1
    (root / "labels/train.cache").write_bytes(pack(content))
    assert equal(run(root).store, expected.store)


def test_problems_survive_in_the_cache(make_set: MakeSet) -> None:
    root = make_set().parent
    write_label(
        root / "images/train/im2.png", "0 .5 .5 .2 .2\n7 .5 .5 .2 .2\n0 .5 .5 .2 .2\n0 .5 .5 .2 .2"
    )
    for _ in range(2):
        problems = [str(p) for p in run(root).all_problems()]
        assert len(problems) == 2
        assert "im2.txt:2: class 7 is not in 0..1" in problems[0]
        assert "2 repeated rows" in problems[1]


def test_a_bad_image_is_dropped_with_its_label(make_set: MakeSet) -> None:
    root = make_set().parent
    (root / "images/train/im1.png").write_bytes(b"no image")
    found = run(root)
    assert found.counts[3] == 1
    assert found.usable.tolist() == [0, 2, 3, 4, 5]
    kept = found.pick(found.usable.tolist())
    assert kept.store.offsets.tolist() == [0, 0, 2, 2, 3, 5]
    assert "im1.png" in str(found.all_problems()[0])


def test_mixed_box_and_polygon_files(make_set: MakeSet) -> None:
    root = make_set().parent
    write_label(root / "images/train/im0.png", "1 .1 .1 .9 .1 .9 1.02")
    for _ in range(2):
        found = run(root)
        assert found.store.polygon_count == 1
        assert found.store.objects == 7
        assert "leave the image" in str(found.all_problems()[0])


def test_many_problems_are_summed_up(make_set: MakeSet, caplog: pytest.LogCaptureFixture) -> None:
    root = make_set().parent
    rows = "\n".join(["0 .5 .5 .2 .2", *[f"0 {x} .5 .2 .2" for x in range(2, 22)]])
    write_label(root / "images/train/im0.png", rows)
    log_problems(run(root).all_problems())
    assert len(caplog.records) == 11
    assert "20 problems in all (20 row dropped)" in caplog.text


def test_user_files_are_not_touched(make_set: MakeSet) -> None:
    root = make_set().parent
    files = [p for p in root.rglob("*") if p.is_file()]
    before = [(p.read_bytes(), os.stat(p).st_mtime_ns) for p in files]
    run(root)
    assert [(p.read_bytes(), os.stat(p).st_mtime_ns) for p in files] == before
