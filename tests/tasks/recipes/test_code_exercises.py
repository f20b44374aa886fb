import ast
import json

from growing import grown
from likeness import near_share

from tasks.recipe import load_recipe
from tasks.rendering import render
from tasks.word_lists import word_list


def test_function_names_are_a_few_hundred_identifiers_of_two_words_and_more():
    names = word_list("function_names")
    assert len(names) >= 200
    assert all(name.isidentifier() and name.islower() and "_" in name for name in names)


def test_the_prompt_names_function_and_data_on_lines_of_their_own():
    prompt = render(
        load_recipe("code_exercises").levels[0].prompt, {"function_name": "count_late", "topic": "trains"}
    )
    assert "\nFunction name: count_late\nData: trains\n" in prompt


def test_it_grows_functions_to_complete_that_are_kept_and_distinct(tmp_path):
    made = grown(tmp_path, "code_exercises", 120)
    assert (made["sample"].height, made["reject"].height) == (120, 0)
    final = made["final"]
    assert final.height > 96 and near_share(final["text"].to_list()) < 0.05
    for row in final.iter_rows(named=True):
        name = json.loads(row["slots"])["function_name"]
        whole = ast.parse(row["text"]).body[-1]
        assert row["text"] == f"{row['input']}\n{row['output']}"
        assert whole.name == name and ast.get_docstring(whole)
        assert row["input"].endswith(('"""', "'''")) and row["output"].startswith("    ")
        assert f"`{name}`" in row["instruction"]
        user, assistant = row["messages"]
        assert (
            user["content"] == f"{row['instruction']}\n\n{row['input']}"
            and assistant["content"] == row["output"]
        )


def test_what_is_no_exercise_stays_with_its_reason_and_is_not_kept(tmp_path):
    made = grown(tmp_path, "code_exercises", 150)
    format_ = made["verdict"].filter(filter="format", keep=False)
    assert 0 < format_.height < 30
    kept = set(made["final"]["sample_id"])
    assert not kept & set(format_["sample_id"])
    assert any("was asked for" in reason for reason in format_["reason"])


def test_exercises_are_judged_in_no_language():
    assert load_recipe("code_exercises").checks.language is False
