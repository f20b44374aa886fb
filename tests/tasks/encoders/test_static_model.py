import json
import logging

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from schemas.errors import BadInput
from tasks.encoder import encode, load_encoder
from tasks.encoders.static_model import is_static

TABLE = np.array([[9, 9, 9], [1, 0, 0], [0, 1, 0], [0, 0, 2]], np.float32)


def static_folder(path, config=None, **tensors):
    """A model2vec folder with the tokens [UNK], red, green, blue."""
    path.mkdir()
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "red": 1, "green": 2, "blue": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(path / "tokenizer.json"))
    save_file({"embeddings": TABLE, **tensors}, path / "model.safetensors")
    (path / "config.json").write_text(
        json.dumps({"model_type": "model2vec", "normalize": True, **(config or {})})
    )
    return str(path)


def test_a_text_is_the_mean_of_its_known_tokens(tmp_path):
    static = load_encoder(static_folder(tmp_path / "static"))
    found = encode(["red green", "blue strange", "strange", ""], static)
    assert found.unit[0] == pytest.approx(np.array([1, 1, 0]) / np.sqrt(2))
    assert found.unit[1] == pytest.approx([0, 0, 1])
    assert found.usable.tolist() == [True, True, False, False]
    assert found.reasons[3] == "the vector is zero: it has no direction"
    assert static.id.startswith("static@") and static.id.endswith("/static-cpu/float32")
    assert (static.dimension, static.n_parameters) == (3, 12)


def test_shared_vectors_and_weights_of_tokens_are_obeyed(tmp_path):
    tensors = {"mapping": np.array([0, 1, 1, 3]), "weights": np.array([1, 1, 3, 1], np.float64)}
    static = load_encoder(static_folder(tmp_path / "static", **tensors))
    rows = static.model.forward([each.item for each in static.model.prepare(["red green", "green blue"])])
    assert rows.tolist() == [[2, 0, 0], [1.5, 0, 1]]


def test_it_is_said_that_static_vectors_are_no_substitute(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "seedloom.embed"):
        load_encoder(static_folder(tmp_path / "quick"))
    assert "quick holds static vectors" in caplog.text and "no substitute" in caplog.text


def test_the_longest_text_is_that_of_the_folder(tmp_path):
    static = load_encoder(static_folder(tmp_path / "static", {"max_length": 2}))
    found = encode(["red red green", "red green"], static)
    assert found.truncated.tolist() == [True, False]
    assert found.unit[0] == pytest.approx([1, 0, 0])


def test_too_few_vectors_are_one_clear_line(tmp_path):
    with pytest.raises(BadInput, match="2 vectors for 4 tokens"):
        load_encoder(static_folder(tmp_path / "static", embeddings=TABLE[:2]))


def test_a_folder_of_another_kind_is_not_static(tmp_path):
    assert not is_static(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    assert not is_static(tmp_path)
    save_file({"embeddings": TABLE, "layer.0.weight": TABLE}, tmp_path / "model.safetensors")
    assert not is_static(tmp_path)
