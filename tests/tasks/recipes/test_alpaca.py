import json
import re

from growing import grown

from schemas.settings import Settings
from tasks.alpaca_replies import alpaca
from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.replies import Told

RECIPE = load_recipe("alpaca")
(LEVEL,) = RECIPE.levels
SHOWN = [
    {"instruction": "Name two birds that swim.", "input": "", "output": "Ducks and swans."},
    {"instruction": "Count the letters.", "input": "gate", "output": "4"},
    {"instruction": "Rhyme on sea.", "input": "two lines", "output": "The sea,\nand me."},
]


def test_parameters_are_those_of_the_authors():
    pool, sampling = LEVEL.bootstrap, LEVEL.sampling
    assert (pool.n_human, pool.n_machine, pool.rouge, pool.yields) == (3, 0, 0.7, 20)
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (1.0, 1.0, 3072)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (0, 0)
    assert sampling.stop == ["\n20", "20.", "20."]
    assert LEVEL.final and LEVEL.children == 1


def test_the_prompt_shows_three_whole_tasks_in_blocks_and_ends_where_the_fourth_begins():
    prompt = render(LEVEL.prompt, {"tasks": SHOWN})
    head, *blocks = prompt.split("###\n")
    assert [block.split(". ")[0] for block in blocks] == ["1", "2", "3", "4"]
    assert (
        blocks[0]
        == "1. Instruction: Name two birds that swim.\n1. Input:\n<noinput>\n1. Output:\nDucks and swans.\n"
    )
    assert blocks[3] == "4. Instruction:"
    for demand in (
        "verb",
        "question",
        "English",
        "<noinput>",
        "pictures",
        "below 100 words",
        "one or two sentences",
    ):
        assert demand in head
    assert not set("#") & set(head)


def test_the_examples_of_the_prompt_are_read_by_the_parser_as_they_were():
    prompt = render(LEVEL.prompt, {"tasks": SHOWN})
    shown = prompt[prompt.index("1. Instruction:") : prompt.rindex("###")]
    pieces = alpaca(Told(shown, "stop", {}, None, "1. Instruction:"))
    assert [{"instruction": p.instruction, "input": p.input, "output": p.output} for p in pieces] == SHOWN


def test_it_grows_on_the_storyteller(tmp_path):
    made = grown(tmp_path, "alpaca", 160, rounds=2)
    tasks = made["sample"].filter(level="task")
    final = made["final"]
    assert set(made["sample"]["level"]) == {"seed", "task"} and made["call"].height >= 8
    assert final.height > 0.8 * tasks.height >= 60
    assert final["instruction"].n_unique() == final["text"].n_unique() == final.height
    assert final["input"].ne("").any() and final["input"].eq("").any() and final["output"].ne("").all()
    for row in final.head(20).to_dicts():
        asked = "\n\n".join(filter(None, (row["instruction"], row["input"])))
        assert [turn["content"] for turn in row["messages"]] == [asked, row["output"]]
        assert row["text"] == f"{asked}\n\n{row['output']}"


def test_prompts_show_seeds_only_and_no_more_than_sixteen_tasks_come_back(tmp_path):
    made = grown(tmp_path, "alpaca", 300, rounds=2)
    seeds = set(made["sample"].filter(level="seed")["text"])
    shown = [
        set(re.findall(r"^[123]\. Instruction: (.*)$", json.loads(m)[0]["content"], re.M))
        for m in made["call"]["messages"]
    ]
    assert all(
        len(tasks) == 3 and tasks <= {" ".join(s.split()).rstrip(":") for s in seeds} for tasks in shown
    )
    per_call = made["final"].group_by("request_id").len()["len"]
    assert 10 < per_call.max() <= 16


def test_novelty_is_judged_by_the_instruction(tmp_path):
    settings = Settings(root=tmp_path)
    settings = settings.model_copy(
        update={"storyteller": settings.storyteller.model_copy(update={"repeat": 1.0})}
    )
    made = grown(tmp_path, "alpaca", 160, settings=settings, rounds=2)
    refused = made["verdict"].filter(filter="rouge", keep=False)
    assert refused.height > 10 and refused["score"].min() > 0.7
