"""YOLO-World and YOLOE networks: prompts, built-in vocabularies, files, traced forms."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ultralytics.errors import MissingExtra
from ultralytics.nn import tasks, text_model
from ultralytics.nn.tasks import WorldModel, YOLOEModel, YOLOESegModel, load_checkpoint

NAMES = ["person", "car", "traffic light"]
FILES = {
    "yoloe-11n.yaml": YOLOEModel,
    "yoloe-11n-seg.yaml": YOLOESegModel,
    "yoloe-26n-seg.yaml": YOLOESegModel,
}


class Stub(text_model.TextModel):
    """Numbers from the letters of a text."""

    def tokenize(self, texts: str | list[str], truncate: bool = True) -> Tensor:
        listed = [texts] if isinstance(texts, str) else texts
        return torch.tensor([[ord(letter) for letter in text.ljust(77)[:77]] for text in listed])

    @torch.inference_mode()
    def encode_text(self, texts: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        parts = [torch.sin(texts.to(dtype) * step) for step in range(1, 8)]
        return nn.functional.normalize(torch.cat(parts, 1)[:, :512], dim=-1)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the text encoder; lists which were asked for."""
    asked: list[str] = []

    def build(variant: str, device: object = None) -> Stub:
        asked.append(variant)
        return Stub()

    monkeypatch.setattr(text_model, "build_text_model", build)
    return asked


@pytest.fixture
def network() -> Callable[..., Any]:
    """A settled network by the name of its file."""

    def make(name: str = "yoloe-11n.yaml", **settings: Any) -> Any:
        torch.manual_seed(0)
        cls = FILES.get(name, WorldModel)
        model = cls(tasks.yaml_model_load(name), verbose=False, **settings).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.8, 1.6)
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.2, 1.0)
        return model

    return make


def decoded(output: Any) -> Tensor:
    y = output[0]
    return y[0] if isinstance(y, tuple) else y


X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_the_encoder_of_each_family(network: Any, encoder: list[str]) -> None:
    for name in ("yoloe-11n.yaml", "yoloe-26n-seg.yaml", "yolov8n-worldv2.yaml"):
        found = network(name).get_text_pe(NAMES)
        assert found.shape == (1, 3, 512)
        assert not found.is_inference()
    assert encoder == ["mobileclip:blt", "mobileclip2:b", "clip:ViT-B/32"]


def test_texts_are_encoded_in_parts(network: Any, encoder: list[str]) -> None:
    model = network()
    whole = model.get_text_pe(NAMES)
    assert_close(model.get_text_pe(NAMES, batch=1), whole)
    raw = model.get_text_pe(NAMES, without_reprta=True)
    assert_close(model.model[-1].get_tpe(raw), whole)
    with pytest.raises(ValueError, match="at least one class name"):
        model.get_text_pe([])


@pytest.mark.parametrize("name", FILES)
def test_classes_that_were_set_answer_like_prompts(
    name: str, network: Any, encoder: list[str]
) -> None:
    model = network(name)
    raw = model.get_text_pe(NAMES, without_reprta=True)
    with torch.no_grad():
        prompted = decoded(model(X, tpe=raw))
        model.set_classes(NAMES, model.get_text_pe(NAMES))
        assert model.names == {0: "person", 1: "car", 2: "traffic light"}
        assert model.model[-1].nc == 3
        assert_close(decoded(model(X)), prompted)
        model.model[-1].fuse(model.pe)
        assert_close(decoded(model(X)), prompted, rtol=1e-4, atol=1e-3)
        model.set_classes(["person/human", "car", "traffic light"], model.pe)
        with pytest.raises(ValueError, match="are fused"):
            model.set_classes(["a", "b", "c"], model.pe)
        with pytest.raises(ValueError, match="are fused"):
            model.get_vocab(NAMES)


def test_names_and_embeddings_must_fit(network: Any) -> None:
    with pytest.raises(ValueError, match=r"2 names need embeddings \(1, 2, 512\)"):
        network().set_classes(["a", "b"], torch.rand(1, 3, 512))


def test_texts_come_before_regions(network: Any) -> None:
    model = network("yoloe-11n-seg.yaml")
    masks = torch.zeros(2, 2, 8, 8)
    masks[:, 0, 2:5, 1:4] = masks[:, 1, 5:, 5:] = 1
    texts = nn.functional.normalize(torch.randn(2, 3, 512), dim=-1)
    with torch.no_grad():
        both = decoded(model(X, tpe=texts, vpe=masks))
        assert_close(both[:, 4:7], decoded(model(X, tpe=texts))[:, 4:7])
        assert_close(both[:, 7:9], decoded(model(X, vpe=masks))[:, 4:6])
        regions = model.get_visual_pe(X, masks)
        assert_close(regions.norm(dim=-1), torch.ones(2, 2))
        assert_close(model.get_visual_pe(X, regions), regions)
        assert_close(decoded(model(X, vpe=regions))[:, 4:6], both[:, 7:9])


@pytest.mark.parametrize(
    ("name", "end2end"),
    [("yoloe-11n-seg.yaml", False), ("yoloe-26n-seg.yaml", False), ("yoloe-26n-seg.yaml", True)],
)
def test_a_built_in_vocabulary_scores_like_its_texts(
    name: str, end2end: bool, network: Any, encoder: list[str]
) -> None:
    promptable, free = network(name), network(name)
    promptable.end2end = free.end2end = end2end
    vocabulary = promptable.get_vocab(NAMES)
    assert [tuple(conv.weight.shape[:1]) for conv in vocabulary] == [(3,)] * 3
    with torch.no_grad():
        wanted = promptable(X)[1]
        free.set_vocab(vocabulary, NAMES)
        free.model[-1].conf = 0
        found = free(X)[1]
        if name.startswith("yoloe-26"):
            wanted = wanted["one2one" if end2end else "one2many"]
        assert_close(found["scores"], wanted["scores"], rtol=1e-4, atol=1e-4)
        assert_close(found["mask_coefficient"], wanted["mask_coefficient"])
    assert free.names == dict(enumerate(NAMES))
    assert free.end2end == end2end
    with pytest.raises(ValueError, match="Prompt-free"):
        free.set_classes(NAMES, promptable.pe)
    with pytest.raises(ValueError, match="prompt-free already"):
        free.set_vocab(vocabulary, NAMES)
    with pytest.raises(ValueError, match="no training form"):
        free.train()(X)


def test_both_branches_can_have_a_vocabulary(network: Any, encoder: list[str]) -> None:
    promptable, free = network("yoloe-26n-seg.yaml"), network("yoloe-26n-seg.yaml")
    many = copy.deepcopy(promptable).get_vocab(NAMES)
    promptable.end2end = True
    one = promptable.get_vocab(NAMES)
    free.set_vocab(many, NAMES, one2one_vocab=one)
    with torch.no_grad():
        assert decoded(free(X)).shape[1] == 4 + 3 + 32
        free.end2end = True
        assert decoded(free(X)).shape == (2, 84, 6 + 32)


def test_filtered_positions_are_left_out(network: Any, encoder: list[str]) -> None:
    promptable, free = network(), network()
    free.set_vocab(promptable.get_vocab(NAMES), NAMES)
    head: Any = free.model[-1]
    with torch.no_grad():
        head.conf = 0.0
        dense = free(X)[0]
        head.conf = 0.6
        y, raw = free(X)
        index = raw["index"]
        assert 16 <= int(index[:80].sum()) + 4 < 80 + 4 or int(index.sum()) < 84
        assert y.shape[2] == int(index.sum())
        assert_close(y[:, :4], dense[:, :4, index])
        kept = y[:, 4:] > 0
        assert_close(y[:, 4:][kept], dense[:, 4:, index][kept])


def test_files_keep_classes_and_vocabularies(
    network: Any, encoder: list[str], tmp_path: Path
) -> None:
    model = network("yoloe-11n-seg.yaml")
    model.set_classes(NAMES, model.get_text_pe(NAMES))
    with torch.no_grad():
        for change in (None, lambda m: m.model[-1].fuse(m.pe), lambda m: m.fuse(verbose=False)):
            if change is not None:
                change(model)
            tasks.write_checkpoint({"model": model, "ema": None}, tmp_path / "a.pt")
            again, _ = load_checkpoint(tmp_path / "a.pt")
            assert again.names == model.names
            assert_close(decoded(again(X)), decoded(model(X)))
        free = network("yoloe-11n-seg.yaml")
        free.set_vocab(model_vocabulary(network), NAMES)
        tasks.write_checkpoint({"model": free, "ema": None}, tmp_path / "b.pt")
        assert_close(decoded(load_checkpoint(tmp_path / "b.pt")[0](X)), decoded(free(X)))


def model_vocabulary(network: Any) -> nn.ModuleList:
    return network("yoloe-11n-seg.yaml").get_vocab(NAMES)


@pytest.mark.parametrize("name", ["yolov8n-world.yaml", "yolov8n-worldv2.yaml"])
def test_world_networks(name: str, network: Any, encoder: list[str]) -> None:
    model = network(name)
    with torch.no_grad():
        assert decoded(model(X)).shape == (2, 84, 84)
        texts = model.get_text_pe(NAMES)
        prompted = decoded(model(X, txt_feats=texts))
        assert prompted.shape == (2, 7, 84)
        model.set_classes(NAMES)
        assert model.model[-1].nc == 3
        assert_close(decoded(model(X)), prompted)
        assert_close(decoded(model(X[:1])), prompted[:1], rtol=1e-4, atol=1e-4)
        swapped = decoded(model(X, txt_feats=texts.flip(1)))
    # the second version guides its neck by the best text, whichever place it has
    assert_close(swapped[:, 4:], prompted[:, 4:].flip(1), rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["yolov8n-world.yaml", "yoloe-26n-seg.yaml"])
@pytest.mark.parametrize("end2end", [False, True])
def test_traced_forms_answer_the_same(name: str, end2end: bool, network: Any) -> None:
    model = network(name)
    model.end2end = end2end and hasattr(model.model[-1], "one2one_cv2")
    model.fuse(verbose=False).requires_grad_(False)
    model.model[-1].export = True
    x = X[:1]

    def first(output: Any) -> Tensor:
        return output[0] if isinstance(output, tuple) else output

    wanted = first(model(x))
    assert_close(first(torch.jit.trace(model, x, strict=False)(x)), wanted)
    assert_close(first(torch.export.export(model, (x,)).module()(x)), wanted)


def test_losses_of_prompts(network: Any) -> None:
    batch = {
        "img": X,
        "cls": torch.tensor([[0.0], [2.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.4, 0.4, 0.3, 0.5]]),
        "batch_idx": torch.tensor([0.0, 1.0]),
        "txt_feats": nn.functional.normalize(torch.randn(2, 3, 512), dim=-1),
    }
    hyp = {"box": 7.5, "cls": 0.5, "dfl": 1.5, "epochs": 3}
    model = network().train()
    model.args = type("Settings", (), hyp)()
    vector, items = model.loss(batch)
    assert list(items) == ["box_loss", "cls_loss", "dfl_loss"]
    assert model.criterion.nc == 3  # those of the batch, not of the file
    vector.sum().backward()
    model.criterion = None
    masks = torch.zeros(2, 4, 8, 8)
    masks[..., 2:5, 2:5] = 1
    loss, items = model.loss({**batch, "visuals": masks})
    assert list(items) == ["box", "cls", "dfl"]
    assert_close(loss.detach(), items["cls"] * 2)


# encoders


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, network: Any) -> None:
    with pytest.raises(ValueError, match="no text encoder is called 'bert:base'"):
        text_model.build_text_model("bert:base")

    def lacking(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(text_model, "import_module", lacking)
    with pytest.raises(MissingExtra, match="pip install clip-anytorch"):
        network().get_text_pe(NAMES)
    monkeypatch.setattr(text_model, "import_module", lambda name: object())
    for variant, file in (
        ("clip:ViT-B/32", "ViT-B-32.pt"),
        ("mobileclip:blt", "mobileclip_blt.ts"),
        ("mobileclip2:b", "mobileclip2_b.ts"),
    ):
        with pytest.raises(FileNotFoundError, match=f"needs the file {file}"):
            text_model.build_text_model(variant)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_an_encoder_file_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Encoder(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return tokens.float() * 2

    class Package:
        @staticmethod
        def tokenize(texts: list[str], truncate: bool) -> Tensor:
            return torch.tensor([[len(text)] for text in texts])

    torch.jit.script(Encoder()).save(str(tmp_path / "mobileclip2_b.ts"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text_model, "import_module", lambda name: Package)
    made = text_model.build_text_model("mobileclip2:b")
    assert made.encode_text(made.tokenize(["a", "abc"])).tolist() == [[2.0], [6.0]]
