import json
import tempfile
from functools import cache
from pathlib import Path

import pytest
from growing import grown

from tasks.recipe import recipe_names
from tasks.storyteller import KINDS, kind_of


def test_kinds_have_names_of_their_own_and_the_last_one_takes_everything():
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert kind_of("")[0] is KINDS[-1] and kind_of("anything at all")[0] is KINDS[-1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_a_kind_tells_depends_on_seed_and_prompt_alone(kind):
    prompts = {name: text for name, text in asked_of_all().items() if name == kind.name}
    if kind.name == "other":
        prompts = {"other": "Anything at all about rain and wind."}
    assert prompts, "a recipe asks it"
    hit = kind.sign.search(prompts[kind.name])
    told = [kind.tell(3, hit, 1.0) for _ in range(2)]
    assert told[0] == told[1] and told[0].strip()


@cache
def asked_of_all():
    """A prompt of each kind, as the recipes ask it."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for recipe in recipe_names():
            calls = grown(Path(folder) / recipe, recipe, 24)["call"]
            for messages in calls["messages"]:
                text = json.loads(messages)[-1]["content"]
                found.setdefault(kind_of(text)[0].name, text)
    return found
