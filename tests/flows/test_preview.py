import inspect

from prefect.client.orchestration import get_client

from flows.preview import fenced, markdown, preview
from schemas.settings import Making


def test_a_preview_answers_with_an_artifact_and_leaves_the_warehouse_alone(root):
    text = preview(recipe="tiny_stories", n=1)
    with get_client(sync_client=True) as client:
        (artifact,) = [each for each in client.read_artifacts() if each.key == "preview-tiny-stories"]
    assert artifact.data == text and "## story" in text and "Prompt (user):" in text
    assert not root.exists()


def test_its_form_offers_the_recipes_there_are():
    schema = preview.parameters.model_dump()["properties"]["recipe"]
    assert "evol_instruct" in schema["enum"]
    assert inspect.signature(preview.fn).parameters["making"].default == Making()


def test_nothing_that_a_model_said_is_rendered():
    step = {"level": "story", "prompt": [{"role": "user", "content": "# no title"}], "reply": "```\n<b>x</b>", "error": None, "read": []}  # fmt: skip
    text = markdown(step)
    assert "```\n# no title\n```" in text
    assert "````\n```\n<b>x</b>\n````" in text


def test_a_fence_is_longer_than_any_in_the_text():
    assert fenced("a") == "```\na\n```"
    assert fenced("`````") == "``````\n`````\n``````"
