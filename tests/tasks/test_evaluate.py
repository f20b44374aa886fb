import json
import math
import random

import numpy as np
import polars as pl
import pytest

from schemas.settings import Training
from tasks import evaluate, tiny_model
from tasks.evaluate import heldout_loss, loss_of, samples
from tasks.finetune import finetune, train

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
SETTINGS = Training(epochs=4, batch_size=4, max_length=64)
MESSAGES = {"messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String}))}


def write(animal, place):
    return [
        {"role": "user", "content": f"Write about the {animal} in the {place}."},
        {
            "role": "assistant",
            "content": f"Once upon a time a {animal} lived in a {place}. It was happy there.",
        },
    ]


ANIMALS, PLACES = ["cat", "dog", "fox", "bear", "owl"], ["forest", "town", "river"]
TRAIN = [write(animal, place) for animal in ANIMALS for place in PLACES]
HELDOUT = [write(animal, place) for animal in ("mouse", "cat") for place in ("castle", "old town", "cave")]


def release(folder, heldout=HELDOUT):
    folder.mkdir(parents=True)
    pl.DataFrame({"messages": TRAIN}, schema=MESSAGES).write_parquet(folder / "train.parquet")
    pl.DataFrame({"messages": heldout}, schema=MESSAGES).write_parquet(folder / "heldout.parquet")
    return folder


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_model.tokenizer_for(TRAIN, 64)


@pytest.fixture(scope="module")
def model(tokenizer):
    """An untrained model, whose predictions are uneven because its weights are large."""
    config = tiny_model.config_for(tokenizer, 64, SIZES)
    config.initializer_range = 0.2
    return tiny_model.untrained(config, 0).eval()


@pytest.fixture(autouse=True)
def one_thread():
    with tiny_model.one_thread():
        yield


def test_the_loss_is_a_ratio_of_sums_and_not_a_mean_of_rows():
    loss = loss_of(np.array([2.0, 30.0]), np.array([1, 10]))
    assert (loss.value, loss.n_tokens, loss.n_rows) == (32 / 11, 11, 2)


def test_rows_that_agree_have_no_interval_to_speak_of():
    loss = loss_of(np.array([2.0, 4.0, 6.0]), np.array([1, 2, 3]))
    assert (loss.low, loss.value, loss.high) == (2, 2, 2)


def test_what_cannot_be_known_is_null():
    assert loss_of(np.zeros(0), np.zeros(0, dtype=np.int64)) == (None, 0, 0, None, None)
    assert loss_of(np.array([3.0]), np.array([2])) == (1.5, 2, 1, None, None)


def test_the_interval_covers_the_true_loss_about_95_times_in_100():
    draw, covered, wide = np.random.default_rng(0), 0, []
    for _ in range(500):
        tokens = draw.integers(20, 300, 60)
        rate = draw.normal(
            2.0, 0.5, 60
        )  # rows differ in how hard they are: tokens of one row are not independent
        loss = loss_of(rate * tokens, tokens)
        covered += loss.low <= 2.0 <= loss.high
        wide.append(loss.high - loss.low)
    assert 0.91 <= covered / 500 <= 0.98
    assert 0.2 < np.mean(wide) < 0.4


def test_a_model_that_knows_nothing_has_the_loss_of_a_uniform_guess(tokenizer):
    import torch

    model = tiny_model.untrained(tiny_model.config_for(tokenizer, 64, SIZES), 0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.zero_()
    loss = heldout_loss(model, tokenizer, HELDOUT, 64)
    assert loss.value == pytest.approx(math.log(len(tokenizer)), abs=1e-5)
    said = [row[1]["content"] + "<|end|>" for row in HELDOUT]
    assert loss.n_tokens == sum(len(tokenizer.encode(text)) for text in said)
    assert loss.n_rows == len(HELDOUT)


def test_it_is_the_loss_that_transformers_computes_for_one_row(model, tokenizer):
    import torch

    from tasks.dialogue import examples

    (example,) = examples(tokenizer, HELDOUT[:1], 64)
    with torch.no_grad():
        out = model(torch.tensor([example.ids]), labels=torch.tensor([example.labels()]))
    assert heldout_loss(model, tokenizer, HELDOUT[:1], 64).value == pytest.approx(float(out.loss), rel=1e-5)


def test_neither_order_nor_batches_change_the_loss(model, tokenizer, monkeypatch):
    loss = heldout_loss(model, tokenizer, HELDOUT, 64)
    shuffled = random.Random(1).sample(HELDOUT, len(HELDOUT))
    assert heldout_loss(model, tokenizer, shuffled, 64) == loss
    monkeypatch.setattr(evaluate, "CELLS", 1)
    assert heldout_loss(model, tokenizer, HELDOUT, 64) == pytest.approx(loss, rel=1e-5)


def test_a_sample_follows_from_model_prompt_and_seed_alone(model, tokenizer):
    prompts = [row[:1] for row in HELDOUT]
    one = samples(model, tokenizer, prompts, 0)
    assert samples(model, tokenizer, prompts[::-1], 0) == one[::-1]
    assert samples(model, tokenizer, prompts[:1], 0) == one[:1]
    assert samples(model, tokenizer, prompts, 1) != one
    assert len(set(one)) == len(one)


def test_a_sample_ends_where_the_context_does(model, tokenizer, monkeypatch):
    lengths = []
    generate = type(model).generate

    def measured(self, *args, **options):
        out = generate(self, *args, **options)
        lengths.append(out.shape[1])
        return out

    monkeypatch.setattr(type(model), "generate", measured)
    samples(model, tokenizer, [row[:1] for row in HELDOUT], 0)
    assert max(lengths) == 64


@pytest.fixture
def small(monkeypatch):
    """Tasks with a model that is small even for tiny."""
    monkeypatch.setattr(tiny_model, "SIZES", SIZES)


def measured(run, settings):
    trained = finetune.fn(run, "r1", "releases/r1", settings)
    (part,) = evaluate.evaluate.fn(run, "r1", "releases/r1", trained, settings)
    (checkpoint,) = run.read(trained[0]).to_dicts()
    return {row["metric"]: row for row in run.read(part).to_dicts()}, checkpoint


def test_training_lowers_the_loss_on_held_out_rows_and_says_how_surely(run, small):
    release(run.root / "releases" / "r1")
    found, checkpoint = measured(run, SETTINGS)
    assert set(found) == {
        "heldout_loss_before",
        "heldout_loss_after",
        "heldout_perplexity_after",
        "heldout_tokens",
        "sample_distinct2",
    }
    before, after = found["heldout_loss_before"], found["heldout_loss_after"]
    assert after["low"] < after["value"] < after["high"] < before["low"] < before["value"]
    assert before["value"] == pytest.approx(math.log(checkpoint_vocabulary(run, checkpoint)), abs=0.1)
    assert found["heldout_perplexity_after"]["value"] == pytest.approx(math.exp(after["value"]))
    assert found["heldout_tokens"]["value"] > 100
    assert 0 <= found["sample_distinct2"]["value"] <= 1
    assert {(row["scope"], row["scope_id"], row["version"]) for row in found.values()} == {
        ("checkpoint", checkpoint["checkpoint_id"], "1")
    }
    lines = (run.root / checkpoint["path"] / "samples.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["prompt"] for line in lines) == sorted(
        row[0]["content"] for row in HELDOUT
    )


def checkpoint_vocabulary(run, checkpoint):
    return json.loads((run.root / checkpoint["path"] / "config.json").read_text())["vocab_size"]


def test_without_held_out_rows_the_losses_are_null(run, small):
    release(run.root / "releases" / "r1", heldout=[])
    found, _ = measured(run, SETTINGS.model_copy(update={"epochs": 0.3}))
    assert {name: (row["value"], row["n"]) for name, row in found.items()} == {
        "heldout_loss_before": (None, 0),
        "heldout_loss_after": (None, 0),
        "heldout_perplexity_after": (None, 0),
        "heldout_tokens": (0.0, 0),
        "sample_distinct2": (None, 0),
    }


def test_an_adapter_is_compared_with_the_model_it_was_trained_on(run, tokenizer, tmp_path):
    base = tmp_path / "base"
    release(run.root / "releases" / "r1")
    train(run.root / "releases" / "r1", base, SETTINGS.model_copy(update={"epochs": 1}), sizes=SIZES)
    found, checkpoint = measured(run, SETTINGS.model_copy(update={"base_model": str(base)}))
    loaded = evaluate.load_model(str(base), evaluate.hardware().dtype).eval()
    expected = heldout_loss(loaded, evaluate.load_tokenizer(str(base)), HELDOUT, 64).value
    assert checkpoint["method"] == "lora"
    assert found["heldout_loss_before"]["value"] == pytest.approx(expected, rel=1e-6)
    assert found["heldout_loss_after"]["value"] < found["heldout_loss_before"]["value"]
