import asyncio
import json
import threading

import pytest

from schemas.errors import BadInput
from schemas.reply import Request
from schemas.tables import Message
from tasks import tiny_model
from tasks.calls import local_model
from tasks.calls.local_model import LocalModel
from tasks.calls.provider import Refused, Unusable, read_completion

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
ROWS = [
    [
        {"role": "user", "content": f"Write about the {animal}."},
        {"role": "assistant", "content": f"Once upon a time a {animal} lived in a town. It was happy."},
    ]
    for animal in ["cat", "dog", "fox", "bear", "owl"]
]
CONTEXT = 256


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model with uneven predictions, whose own habits of generation are wild."""
    path = tmp_path_factory.mktemp("tiny")
    tokenizer = tiny_model.tokenizer_for(ROWS, CONTEXT)
    config = tiny_model.config_for(tokenizer, CONTEXT, SIZES)
    config.initializer_range = 0.2
    model = tiny_model.untrained(config, 0)
    model.generation_config.update(do_sample=True, top_k=1, repetition_penalty=50.0, max_length=3)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return str(path)


def request(content="Write about the cat.", **sampling):
    return Request(
        messages=[Message(role="user", content=content)], sampling={"max_tokens": 24, "seed": 1, **sampling}
    )


def bodies(folder, requests, concurrency=64):
    """The body, or the error, of each request; all are sent at once."""

    async def all_of_them():
        provider = LocalModel(folder, concurrency)
        try:
            return await asyncio.gather(*map(provider.send, requests), return_exceptions=True)
        finally:
            await provider.close()

    return asyncio.run(all_of_them())


def texts(folder, requests, concurrency=64):
    return [read_completion(body).text for body in bodies(folder, requests, concurrency)]


DIFFERENT = [
    request("Write. " * (number % 5), seed=number, temperature=number % 3 / 2, top_p=1 - number % 4 / 10)
    for number in range(12)
]


def test_a_text_does_not_depend_on_its_batch(folder):
    together = texts(folder, DIFFERENT)
    assert together == texts(folder, DIFFERENT, concurrency=1)
    assert together == texts(folder, DIFFERENT[::-1], concurrency=5)[::-1]
    assert len(set(together)) > 8


def test_the_seed_decides_what_is_drawn_and_greedy_needs_none(folder):
    same, again, other = texts(folder, [request(seed=1), request(seed=1), request(seed=2)])
    assert same == again != other
    greedy = texts(folder, [request(seed=seed, temperature=0) for seed in (1, 2, None)])
    assert len(set(greedy)) == 1


def test_greedy_is_what_transformers_itself_generates(folder):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=0)
    turns = [{"role": "user", "content": "Write about the cat."}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt")[
        "input_ids"
    ]
    with torch.inference_mode():
        out = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=24, do_sample=False
        )
    expected = tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True)
    longer = request("Write about the dog and the fox.")
    assert texts(folder, [longer, request(temperature=0)])[1] == expected


def test_the_body_says_what_it_is(folder):
    (raw,) = bodies(folder, [request(max_tokens=5)])
    body = json.loads(raw)
    assert body["model"] == folder
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5
    assert body["usage"]["prompt_tokens"] > 5


def test_each_request_of_a_batch_gets_its_own_number_of_tokens(folder):
    said = [read_completion(body) for body in bodies(folder, [request(max_tokens=n) for n in (1, 9, 30)])]
    assert [(each.finish_reason, each.n_completion_tokens) for each in said] == [
        ("length", n) for n in (1, 9, 30)
    ]
    assert said[2].text.startswith(said[1].text[:-1]) and said[1].text.startswith(said[0].text[:-1])


def test_a_stop_text_ends_the_answer_before_it(folder):
    (whole,) = texts(folder, [request()])
    stop = whole[len(whole) // 2 :][:3]
    (raw,) = bodies(folder, [request(stop=["never said", stop])])
    said = read_completion(raw)
    assert said.finish_reason == "stop"
    assert said.text == whole[: whole.index(stop)]


def test_the_context_is_the_end_of_every_answer(folder):
    (raw,) = bodies(folder, [request(max_tokens=10_000)])
    said = read_completion(raw)
    assert said.finish_reason in ("length", "stop")
    assert said.n_prompt_tokens + said.n_completion_tokens <= CONTEXT


def test_a_prompt_beyond_the_context_is_refused_and_its_neighbours_are_answered(folder):
    long, short = bodies(folder, [request("cat " * CONTEXT), request()])
    assert isinstance(long, Refused) and f"the context of {folder!r} only {CONTEXT}" in str(long)
    assert read_completion(short).text


def test_a_schema_is_told_in_words(folder):
    plain = request("Who?", max_tokens=1)
    schema = plain.model_copy(update={"json_schema": {"type": "null"}})
    without, told = (read_completion(body).n_prompt_tokens for body in bodies(folder, [plain, schema]))
    assert told > without + 10


def test_a_parameter_that_cannot_be_honoured_is_refused_before_anything_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(local_model, "_load", None)
    (error,) = bodies(folder, [request(logprobs=True)])
    assert isinstance(error, BadInput) and "'logprobs'" in str(error)


@pytest.mark.parametrize("name", ["/no/such/model", "./model", "a/b/model"])
def test_a_folder_that_does_not_exist_is_named(name):
    with pytest.raises(BadInput, match=f"no model folder {name!r}.*known: "):
        LocalModel(name, 1)


def test_a_folder_without_a_model_is_told_to_everybody_who_waits(tmp_path):
    errors = bodies(str(tmp_path), [request(), request("x")])
    assert all(isinstance(error, BadInput) and str(tmp_path) in str(error) for error in errors)


def test_those_who_wait_together_are_one_batch_and_the_loop_stays_free(folder, monkeypatch):
    sizes, threads, ticks = [], set(), []
    generated = local_model._generated

    def watched(loaded, rows, halt):
        sizes.append(len(rows))
        threads.add(threading.current_thread().name)
        return generated(loaded, rows, halt)

    async def ask():
        provider = LocalModel(folder, 4)
        sending = asyncio.gather(*(provider.send(request(seed=seed)) for seed in range(10)))
        while not sending.done():
            ticks.append(None)
            await asyncio.sleep(0.002)
        await provider.close()
        return await sending

    monkeypatch.setattr(local_model, "_generated", watched)
    assert len(asyncio.run(ask())) == 10
    assert sizes == [4, 4, 2]
    assert len(threads) == 1 and threading.current_thread().name not in threads
    assert len(ticks) > 5


def test_a_batch_that_does_not_fit_into_memory_is_answered_in_halves(folder, monkeypatch):
    import torch

    generated = local_model._generated

    def small(loaded, rows, halt):
        if len(rows) > 2:
            raise torch.OutOfMemoryError("no memory")
        return generated(loaded, rows, halt)

    expected = texts(folder, DIFFERENT)
    monkeypatch.setattr(local_model, "_generated", small)
    assert texts(folder, DIFFERENT) == expected


def test_one_request_that_does_not_fit_into_memory_is_unusable_and_free(folder, monkeypatch):
    import torch

    def none(loaded, rows, halt):
        raise torch.OutOfMemoryError("no memory\nat all")

    monkeypatch.setattr(local_model, "_generated", none)
    (error,) = bodies(folder, [request()])
    assert isinstance(error, Unusable) and not error.billed and "no memory" in str(error)


def test_closing_stops_in_the_middle_and_answers_nobody_and_the_model_can_be_used_again(folder, monkeypatch):
    begun = threading.Event()
    generated = local_model._generated

    def watched(loaded, rows, halt):
        begun.set()
        halt.wait(20)  # the first token comes after the close
        return generated(loaded, rows, halt)

    async def ask():
        provider = LocalModel(folder, 1)
        sending = [asyncio.ensure_future(provider.send(request(seed=seed))) for seed in range(3)]
        await asyncio.to_thread(begun.wait, 20)
        await provider.close()
        assert all(each.cancelled() for each in sending)
        monkeypatch.setattr(local_model, "_generated", generated)
        again = await provider.send(request())
        await provider.close()
        return again

    monkeypatch.setattr(local_model, "_generated", watched)
    assert read_completion(asyncio.run(ask())).text


def test_an_answer_that_no_store_could_keep_is_refused_and_not_drawn_again(folder, monkeypatch):
    monkeypatch.setattr(local_model.Until, "text", lambda self, row: "a\x00b")
    (error,) = bodies(folder, [request()])
    assert isinstance(error, Refused) and "NUL" in str(error)


def test_one_who_no_longer_waits_disturbs_nobody(folder):
    async def ask():
        provider = LocalModel(folder, 8)
        gone, stays = (asyncio.ensure_future(provider.send(request(seed=seed))) for seed in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        said = await stays
        await provider.close()
        return said

    assert [read_completion(asyncio.run(ask())).text] == texts(folder, [request(seed=2)])
