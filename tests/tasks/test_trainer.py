from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import SeedloomError
from schemas.settings import Training
from tasks import tiny_model, trainer
from tasks.dialogue import examples
from tasks.trainer import arrange, trainer_for, watch

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60)


@given(LENGTHS, st.floats(0.05, 4), st.integers(1, 9), st.integers(0, 5))
def test_every_row_is_seen_as_often_as_every_other(lengths, epochs, batch_size, seed):
    order = arrange(lengths, epochs, batch_size, seed)
    seen = np.bincount(order, minlength=len(lengths))
    assert len(order) == max(1, round(epochs * len(lengths)))
    assert seen.max() - seen.min() <= 1


def test_the_order_follows_from_the_seed():
    lengths = list(range(1, 200))
    one, same, other = (arrange(lengths, 1, 4, seed).tolist() for seed in (0, 0, 1))
    assert one == same != other


def test_rows_of_like_length_share_a_batch():
    lengths = np.random.default_rng(0).integers(10, 250, 800)

    def padding(order):
        batches = lengths[order].reshape(-1, 16)
        return (batches.max(axis=1, keepdims=True) - batches).sum() / lengths.sum()

    assert padding(np.arange(800)) > 0.5
    assert padding(arrange(lengths.tolist(), 1, 16, 0)) < 0.15


def test_short_and_long_rows_come_in_no_order():
    order = arrange(list(range(1, 801)), 1, 16, 0)
    means = order.reshape(-1, 16).mean(axis=1)
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


@given(st.integers(1, 300), st.integers(16, 100_000))
def test_a_large_batch_is_split_into_equal_parts_that_fit(batch_size, max_length):
    rows = trainer._at_once(batch_size, max_length)
    assert batch_size % rows == 0
    assert rows == 1 or rows * max_length <= trainer.TOKENS


def losses(folder, batch_size=8):
    answers = ["The cat sat.", "A dog ran far away.", "No.", "Rain fell on the town all day."]
    rows = [
        [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": answer}]
        for n, answer in enumerate(answers * 6)
    ]
    settings = Training(epochs=1, batch_size=batch_size, max_length=32)
    tokenizer = tiny_model.tokenizer_for(rows, 32)
    model = tiny_model.untrained(tiny_model.config_for(tokenizer, 32, SIZES), 0)
    made = trainer_for(model, tokenizer, examples(tokenizer, rows, 32), folder, settings, "full")
    with tiny_model.one_thread():
        made.train()
    return [entry["loss"] for entry in made.state.log_history if "loss" in entry]


def test_a_batch_that_is_split_is_learned_as_the_whole_one(tmp_path, monkeypatch):
    whole = losses(tmp_path / "whole")
    monkeypatch.setattr(trainer, "TOKENS", 64)
    assert trainer._at_once(8, 32) == 2
    assert losses(tmp_path / "split") == pytest.approx(whole, rel=0.01)
    assert len(whole) == 3


def test_nothing_is_printed_and_no_server_is_told(tmp_path, monkeypatch, capfd):
    import trl.trainer.base_trainer

    told = []
    monkeypatch.delenv("CI", raising=False)  # TRL sends nothing where this is set
    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", lambda **facts: told.append(facts))
    losses(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert told == []


def test_a_loss_that_is_not_finite_ends_the_training_with_advice():
    state = SimpleNamespace(global_step=3, max_steps=9)
    watcher = watch("mine", lambda step, steps, loss: None)
    with pytest.raises(SeedloomError, match="loss is nan at step 3 of 9; try a learning_rate below 0.5"):
        watcher.on_log(SimpleNamespace(learning_rate=0.5), state, None, logs={"loss": float("nan")})


def test_progress_is_told_step_steps_and_loss():
    told = []
    state = SimpleNamespace(global_step=3, max_steps=9)
    watcher = watch("mine", lambda *facts: told.append(facts))
    watcher.on_log(None, state, None, logs={"loss": 1.5})
    watcher.on_log(None, state, None, logs={"train_runtime": 7.0})
    assert told == [(3, 9, 1.5)]
