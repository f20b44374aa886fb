from collections import Counter

import pytest

from schemas.errors import BadInput
from tasks.makers import Given
from tasks.template_maker import make_prompted, read_templates

TEMPLATES = [
    {"name": f"t{i}", "jinja": f"{i}: {{{{ text }}}}? ||| {{{{ label }}}}", "answer_choices": "yes ||| no"}
    for i in range(4)
]
ROW = {"text": "Is it", "label": "yes"}
SHOTS = [{"text": f"Was it {i}", "label": "no"} for i in range(4)]


def made(row=ROW, child=0, seed=0, row_id="r", **options):
    parent = {"sample_id": row_id, "text": row.get("text", ""), "slots": row}
    (piece,) = make_prompted(Given(parent, {}, {"child": child}, {"templates": TEMPLATES, **options}, seed))
    return piece


def test_a_row_becomes_an_instruction_and_its_target():
    piece = made()
    assert piece.instruction[1:] == ": Is it?" and piece.output == "yes" and piece.input == ""
    assert piece.text == f"{piece.instruction}\n\nyes" and piece.reason is None
    assert piece.slots["answer_choices"] == ["yes", "no"] and piece.slots["targets"] == ["yes"]


def test_the_children_of_a_row_take_every_template_once():
    assert sorted(made(child=i, seed=i).slots["template"] for i in range(4)) == ["t0", "t1", "t2", "t3"]


def test_more_children_than_templates_are_a_mistake_of_the_recipe():
    with pytest.raises(BadInput, match="only 4 templates"):
        made(child=4)


def test_one_template_per_row_is_drawn_evenly():
    counts = Counter(made(row_id=str(i)).slots["template"] for i in range(800))
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 16.3  # 3 degrees of freedom, p = .001


def test_options_follow_the_prompt_of_a_kind_that_shows_them():
    assert made(kinds=["zero_options"]).instruction.endswith("Is it?\n\nOPTIONS:\n- yes\n- no")
    bare = [{"name": "bare", "jinja": "{{ text }} ||| {{ label }}"}]
    assert made(kinds=["zero_options"], templates=bare).instruction == "Is it"


def test_a_few_shot_prompt_shows_examples_in_the_same_template_and_never_the_row_itself():
    piece = made(kinds=["few"], shots=[ROW, *SHOTS], n_shots=9)
    *before, last = piece.instruction.split("\n\n")
    number = piece.slots["template"][1]
    asked = {text for text in before if text != "no"}
    assert asked == {f"{number}: Was it {i}?" for i in range(4)} and before.count("no") == 4
    assert last == f"{number}: Is it?"


def test_what_is_compared_leaves_the_examples_out():
    piece = made(kinds=["few_options"], shots=SHOTS)
    assert "Was it" not in piece.text and "OPTIONS" not in piece.text
    assert piece.instruction.count("OPTIONS:") == 4


def test_the_four_kinds_are_drawn_evenly():
    kinds = ["zero", "zero_options", "few", "few_options"]
    counts = Counter(made(seed=seed, kinds=kinds, shots=SHOTS).slots["kind"] for seed in range(800))
    assert set(counts) == set(kinds) and sum((n - 200) ** 2 / 200 for n in counts.values()) < 16.3


def test_few_shot_without_examples_is_a_mistake_of_the_recipe():
    with pytest.raises(BadInput, match="need `shots`"):
        made(kinds=["few"], shots=[ROW])


def test_a_row_that_does_not_fit_is_kept_with_the_reason():
    assert "'label' is undefined" in made({"text": "Is it"}).reason
    assert "'answer_choices'" in made({**ROW, "answer_choices": "a"}).reason
    assert made({"text": "Is it", "label": ""}).reason == "empty target"


def test_rows_of_p3_are_passed_on_as_they_are():
    row = {"inputs": " Is it? ", "targets": ["yes ", "sure"], "answer_choices": ["yes", "no"]}
    piece = made(row, rows="p3")
    assert (piece.instruction, piece.output, piece.reason) == ("Is it?", "yes", None)
    assert piece.slots["targets"] == ["yes", "sure"] and piece.slots["answer_choices"] == ["yes", "no"]
    assert made({"inputs": "Is it?", "targets": "yes"}, rows="p3").output == "yes"
    assert made({"inputs": "Is it?", "targets": [3]}, rows="p3").reason == "empty target"
    assert made({"targets": ["yes"]}, rows="p3").reason == "empty prompt"


def test_templates_may_lie_in_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[templates]]\nname = "only"\njinja = "{{ text }}! ||| {{ label }}"\n')
    assert made(templates=[], templates_file=str(path)).instruction == "Is it!"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("templates = 3 3", "TOML"),
        ("other = 1", "templates"),
        ('[[templates]]\nname = "x"\n', "templates.jinja: Field required"),
        ('[[templates]]\nname = "x"\njinja = "a ||| b"\nmetric = "BLEU"\n', "templates.metric: Extra"),
    ],
)
def test_a_faulty_file_of_templates_is_refused_by_name(tmp_path, content, why):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(BadInput, match=f"mine.toml.*{why}"):
        read_templates(path)


def test_a_missing_file_and_an_unknown_option_are_refused(tmp_path):
    with pytest.raises(BadInput, match="nowhere.toml"):
        read_templates(tmp_path / "nowhere.toml")
    with pytest.raises(BadInput, match="no option 'template'; known"):
        made(template="x")
