import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import tiny_model

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
ROWS = [
    [
        {"role": "user", "content": f"Write about the {animal} in the {place}."},
        {
            "role": "assistant",
            "content": f"Once upon a time a {animal} lived in a {place}. It was happy there.",
        },
    ]
    for animal in ["cat", "dog", "fox", "bear", "owl", "mouse"]
    for place in ["forest", "town", "castle", "river"]
]


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_model.tokenizer_for(ROWS, 64)


def weights(model):
    return {name: value.tolist() for name, value in model.state_dict().items()}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_every_text_comes_back_byte_for_byte(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_vocabulary_is_bounded_and_a_role_is_one_token(tokenizer):
    assert len(tokenizer) <= tiny_model.VOCABULARY
    assert all(len(tokenizer.encode(token)) == 1 for token in tiny_model.SPECIAL)
    assert len(tokenizer.encode("Once upon a time a cat")) < len("Once upon a time a cat") / 2


def test_the_vocabulary_does_not_depend_on_the_order_of_the_texts(tokenizer):
    shuffled = random.Random(5).sample(ROWS, len(ROWS))
    again = tiny_model.tokenizer_for(shuffled, 64)
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_weights_follow_from_the_seed_and_leave_the_generator_of_torch_alone(tokenizer):
    import torch

    config = tiny_model.config_for(tokenizer, 64, SIZES)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, same, other = (weights(tiny_model.untrained(config, seed)) for seed in (0, 0, 1))
    assert one == same != other
    assert torch.equal(torch.get_rng_state(), state)


def test_it_has_about_two_million_parameters(tokenizer):
    config = tiny_model.config_for(tokenizer, 256)
    config.vocab_size = tiny_model.VOCABULARY
    assert 1.9e6 < tiny_model.untrained(config, 0).num_parameters() < 2.3e6


def test_what_is_saved_is_safetensors_and_loads_as_any_transformers_model(tokenizer, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = tiny_model.untrained(tiny_model.config_for(tokenizer, 64, SIZES), 0)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json", ".jinja"}
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert weights(loaded) == weights(model)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.encode("a fox 🦊") == tokenizer.encode("a fox 🦊")
    assert again.chat_template == tokenizer.chat_template
    assert (loaded.config.max_position_embeddings, again.model_max_length) == (64, 64)


def test_one_thread_gives_the_others_back():
    import torch

    before = torch.get_num_threads()
    with tiny_model.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with tiny_model.one_thread(torch.nn.Linear(10, 10)):
        assert torch.get_num_threads() == 1
    with tiny_model.one_thread(torch.nn.Linear(4000, 4000)):
        assert torch.get_num_threads() == before
