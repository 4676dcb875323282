"""Flat label store and the editable list of dictionaries over it."""

import copy
import pickle

import numpy as np
import pytest

from ultralytics.data.labels import LabelStore, LabelView, StoreBuilder, join_stores
from ultralytics.data.problems import LabelError

TRIANGLE = np.array([[0.1, 0.1], [0.3, 0.1], [0.3, 0.4]], np.float32)
SQUARE = np.array([[0.5, 0.5], [0.9, 0.5], [0.9, 0.9], [0.5, 0.9]], np.float32)


def rows(*classes: float) -> np.ndarray:
    return np.array(
        [[c, 0.5, 0.5, 0.2, 0.1 * (i + 1)] for i, c in enumerate(classes)], np.float32
    ).reshape(-1, 5)


@pytest.fixture
def store() -> LabelStore:
    builder = StoreBuilder()
    builder.add(rows(0, 1), [TRIANGLE, SQUARE], shape=(40, 60))
    builder.add(rows(), shape=(30, 30))
    builder.add(rows(2), [SQUARE], shape=(10, 20))
    return builder.build()


@pytest.fixture
def view(store: LabelStore) -> LabelView:
    return LabelView(store, ["a", "b", "c"])


def test_the_arrays(store: LabelStore) -> None:
    assert store.block.dtype == np.float32
    assert store.offsets.tolist() == [0, 2, 2, 3]
    assert store.point_offsets is not None
    assert store.point_offsets.tolist() == [0, 3, 7, 11]
    assert store.shapes.tolist() == [[40, 60], [30, 30], [10, 20]]
    assert (len(store), store.objects, store.polygon_count) == (3, 3, 3)
    assert store.image_index.tolist() == [0, 0, 2]
    assert [p.tolist() for p in store.polygons(0)] == [TRIANGLE.tolist(), SQUARE.tolist()]


def test_images_in_another_order(store: LabelStore) -> None:
    picked = store.pick_images([2, 1, 0, 2])
    assert picked.block[:, 0].tolist() == [2, 0, 1, 2]
    assert picked.offsets.tolist() == [0, 1, 1, 3, 4]
    assert [len(p) for p in picked.polygons(2)] == [3, 4]
    assert picked.shapes[0].tolist() == [10, 20]


def test_objects_by_mask(store: LabelStore) -> None:
    kept = store.keep_objects(store.block[:, 0] >= 1)
    assert kept.offsets.tolist() == [0, 1, 1, 2]
    assert [p.tolist() for p in kept.polygons(0)] == [SQUARE.tolist()]
    assert len(kept) == 3


def test_joining_box_and_polygon_stores(store: LabelStore) -> None:
    builder = StoreBuilder()
    builder.add(rows(5, 6), shape=(1, 1))
    joined = join_stores(builder.build(), store)
    assert joined.block[:, 0].tolist() == [5, 6, 0, 1, 2]
    assert joined.polygons(0) == []
    assert [p.tolist() for p in joined.polygons(1)] == [TRIANGLE.tolist(), SQUARE.tolist()]


def test_a_polygon_per_object_or_none() -> None:
    with pytest.raises(LabelError, match="1 polygons for 2 objects"):
        StoreBuilder().add(rows(0, 1), [TRIANGLE])


def test_keypoints_follow_their_objects() -> None:
    builder = StoreBuilder()
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    builder.add(rows(0, 1), keypoints=points)
    builder.add(rows(), keypoints=np.zeros((0, 2, 3), np.float32))
    picked = builder.build().pick_images([1, 0])
    assert np.array_equal(picked.keypoints_of(1), points)
    assert picked.keypoints_of(0).shape == (0, 2, 3)


def test_a_label_has_the_documented_keys(view: LabelView) -> None:
    label = view[0]
    assert set(label) == {
        *(
            "im_file",
            "shape",
            "cls",
            "bboxes",
            "segments",
            "keypoints",
            "normalized",
            "bbox_format",
        ),
    }
    assert label["cls"].shape == (2, 1)
    assert label["bboxes"].shape == (2, 4)
    assert label["shape"] == (40, 60)
    assert (label["normalized"], label["bbox_format"], label["keypoints"]) == (True, "xywh", None)
    assert len(view) == len(list(view)) == 3
    assert view[-1]["im_file"] == "c"
    assert [x["im_file"] for x in view[1:]] == ["b", "c"]


def test_editing_an_array_in_place_changes_the_store(view: LabelView) -> None:
    view[0]["cls"][:] = 7
    assert view.store.block[:2, 0].tolist() == [7, 7]
    assert view.sample(0)["cls"].ravel().tolist() == [7, 7]


def test_assigning_to_a_key_changes_the_store(view: LabelView) -> None:
    for label in view:
        label["cls"] = label["cls"] + 10
    assert view.store.block[:, 0].tolist() == [10, 11, 12]
    view[2]["cls"][0] = 3
    assert view.store.block[2, 0] == 3


def test_another_number_of_objects(view: LabelView) -> None:
    label = view[1]
    label.update(cls=np.ones((1, 1)), bboxes=np.full((1, 4), 0.5), segments=[TRIANGLE])
    assert view.store.offsets.tolist() == [0, 2, 3, 4]
    assert view.store.block[:, 0].tolist() == [0, 1, 1, 2]
    assert [p.tolist() for p in view.store.polygons(1)] == [TRIANGLE.tolist()]


def test_editing_the_list_of_polygons(view: LabelView) -> None:
    label = view[0]
    label["segments"][0] = SQUARE
    assert view.store.polygons(0)[0].tolist() == SQUARE.tolist()


def test_keys_of_the_user_stay(view: LabelView) -> None:
    view[0]["weight"] = 3
    assert view.has_extras
    assert view.sample(0)["weight"] == 3
    assert view.pick([1, 0])[1]["weight"] == 3
    assert view.with_store(view.store)[0]["weight"] == 3


def test_a_sample_is_a_private_copy(view: LabelView) -> None:
    sample = view.sample(0)
    assert "shape" not in sample
    sample["bboxes"][:] = 0
    sample["segments"][0][:] = 0
    assert view[0]["bboxes"].min() > 0
    assert view[0]["segments"][0].min() > 0


def test_labels_from_plain_dictionaries(view: LabelView) -> None:
    again = LabelView.from_records([dict(label) for label in view])
    assert np.array_equal(again.store.block, view.store.block)
    assert [label["im_file"] for label in again] == ["a", "b", "c"]


def test_labels_in_another_format_are_refused() -> None:
    label = {"cls": [[0]], "bboxes": [[0, 0, 10, 10]], "bbox_format": "xyxy", "normalized": False}
    with pytest.raises(LabelError, match="xyxy"):
        LabelView.from_records([label])


def test_copies_and_pickles_are_plain(view: LabelView) -> None:
    view[0]["weight"] = 3
    assert type(copy.deepcopy(view[0])) is dict
    assert type(pickle.loads(pickle.dumps(view[1]))) is dict
    again = pickle.loads(pickle.dumps(view))
    assert again[0]["weight"] == 3
    assert np.array_equal(again.store.block, view.store.block)


def test_an_index_beyond_the_end(view: LabelView) -> None:
    with pytest.raises(IndexError, match="image 3 of 3"):
        view[3]
