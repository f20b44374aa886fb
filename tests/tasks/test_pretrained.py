import pytest

from schemas.errors import BadInput
from tasks import pretrained, tiny_model

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
ROWS = [[{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A cat."}]]


@pytest.fixture
def saved(tmp_path):
    """A folder with a tiny model and its tokeniser."""
    tokenizer = tiny_model.tokenizer_for(ROWS, 64)
    tiny_model.untrained(tiny_model.config_for(tokenizer, 64, SIZES), 0).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_model_is_held_in_the_format_asked_for(saved):
    import torch

    assert pretrained.load_model(str(saved), torch.bfloat16).dtype == torch.bfloat16
    assert pretrained.load_model(str(saved), torch.float32).dtype == torch.float32


def test_a_tokeniser_without_a_template_gets_the_plain_one(saved):
    (saved / "chat_template.jinja").unlink()
    tokenizer = pretrained.load_tokenizer(str(saved))
    text = tokenizer.apply_chat_template(ROWS[0], tokenize=False)
    assert text == "<|user|>\nWho?\n<|assistant|>\nA cat.<|end|>"


@pytest.mark.parametrize("name", ["not a/model/name", "/no/such/folder", ""])
def test_an_unknown_model_is_named_in_one_line_with_what_is_known(name):
    import torch

    for load in (pretrained.load_tokenizer, lambda name: pretrained.load_model(name, torch.float32)):
        with pytest.raises(BadInput, match="no base model .*known: 'tiny', a folder") as caught:
            load(name)
        assert repr(name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_said_at_once(monkeypatch):
    import huggingface_hub

    def unreachable(name, timeout):
        raise RuntimeError("Name or service\nnot known")

    monkeypatch.setattr(huggingface_hub, "model_info", unreachable)
    with pytest.raises(BadInput, match=r"from name 'some/model'; known: .*\(Name or service not known\)"):
        pretrained.load_tokenizer("some/model")


def test_pickled_weights_are_refused(saved):
    import torch

    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(BadInput, match="no base model"):
        pretrained.load_model(str(saved), torch.float32)


def test_code_that_comes_with_a_model_is_not_run(saved):
    import torch

    config = (saved / "config.json").read_text()
    with_code = config.replace(
        '"model_type": "llama"', '"model_type": "odd", "auto_map": {"AutoConfig": "evil.Config"}'
    )
    (saved / "config.json").write_text(with_code)
    (saved / "evil.py").write_text(f"open({str(saved / 'ran')!r}, 'w')")
    with pytest.raises(BadInput, match="no base model"):
        pretrained.load_model(str(saved), torch.float32)
    assert not (saved / "ran").exists()


def test_frozen_weights_take_the_fast_format_of_the_machine():
    import torch

    assert pretrained.Hardware("cuda", bf16=True, fp16=False).dtype == torch.bfloat16
    assert pretrained.Hardware("cuda", bf16=False, fp16=True).dtype == torch.float16
    assert pretrained.Hardware("cpu", bf16=False, fp16=False).dtype == torch.float32
    assert pretrained.hardware().device == ("cuda" if torch.cuda.is_available() else "cpu")
