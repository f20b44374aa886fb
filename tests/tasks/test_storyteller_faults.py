from collections import Counter

import pytest

from tasks.instruction_replies import task_fault, tasks
from tasks.replies import Told
from tasks.storyteller_faults import FAULTS, spoilt
from tasks.storyteller_phrases import Pen, book
from tasks.storyteller_tasks import new_tasks

STORY = "Mia found a key. It was old. She opened the door with it, and there was light."
EXAMPLES = "Example 1\nInput: 4, 5\nOutput: 9\nExample 2\nInput: 1, 1\nOutput: 2"
LABELS = "Class label: Odd\nNumber: 3\nClass label: Even\nNumber: 4"


def fault(name, kind="story", good=STORY, seed=1):
    return FAULTS[name](Pen(seed, {}, {}), kind, "Write a story.\n", good)


def test_an_empty_reply_ends_well():
    assert fault("empty") == ("", "stop")


@pytest.mark.parametrize("seed", range(10))
def test_a_cut_reply_ends_inside_a_sentence_and_says_length(seed):
    text, finish = fault("cut", seed=seed)
    assert finish == "length"
    assert STORY.startswith(text)
    assert 0.2 < len(text) / len(STORY) < 0.85
    assert text[-1].isalnum()


def test_what_is_too_short_to_cut_becomes_empty():
    assert fault("cut", "flag", "Yes") == ("", "length")


def test_a_refusal_says_that_it_is_sorry_or_cannot():
    assert all(
        any(sign in text for sign in ("sorry", "Sorry", "apologize")) for text in book("stock")["refusal"]
    )
    assert {fault("refusal", seed=seed).text for seed in range(60)} == set(book("stock")["refusal"])


def test_an_unformatted_reply_has_chatter_and_lost_its_markers():
    for kind, good in (("input-first", EXAMPLES), ("output-first", LABELS), ("tasks", "9. Sing.\n10. Hum.")):
        text = fault("unformatted", kind, good).text
        assert text.startswith(tuple(book("stock")["preamble"]))
        assert not any(marker in text for marker in ("Output:", "Class label:", "9. ", "10. "))
    assert fault("unformatted").text.endswith(STORY)
    assert fault("unformatted", "flag", "Yes").text not in ("Yes", "No")


def test_an_echo_is_the_prompt():
    assert fault("echo").text == "Write a story."


def test_a_foreign_reply_is_in_another_language():
    texts = {fault("foreign", seed=seed).text for seed in range(60)}
    assert texts == set(book("stock")["foreign"])
    assert len(texts) >= 4


def test_all_faults_come_equally_often():
    texts = [spoilt(seed, "story", "Write a story.", STORY) for seed in range(600)]
    assert 60 < Counter(texts)[("", "stop")] < 140
    assert 60 < sum(finish == "length" for _, finish in texts) < 140


def test_a_list_of_tasks_can_also_hold_tasks_that_no_text_model_can_do():
    good = new_tasks(1, 9)
    told = [spoilt(seed, "tasks", "Come up", good) for seed in range(300)]
    numbered = [one for one in told if one.text.startswith("9. ") and one.finish_reason == "stop"]
    assert 20 < len(numbered) < 70
    for text, finish in numbered:
        assert sum(piece.reason is not None for piece in tasks(Told(text, finish, {}))) == 3
    assert not any(task_fault(piece.text) for piece in tasks(Told(good, "stop", {})))
