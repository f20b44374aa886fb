import hashlib
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import features
from tasks.features import (
    COUNTED,
    FEATURES,
    canonical,
    detect,
    feature_hit_rate,
    feature_hits,
)
from tasks.intervals import share

LABELLED = json.loads(Path(__file__).with_name("features_labelled.json").read_text(encoding="utf-8"))
DETECTED = [feature for feature in FEATURES if feature != "foreshadowing"]
LETTER = {feature: letter for letter, feature in LABELLED["letters"].items()}


def test_names_of_recipes_of_the_published_data_and_of_other_languages_mean_the_same():
    published = ["Dialogue", "Twist", "MoralValue", "Foreshadowing", "Conflict", "BadEnding"]
    vietnamese = ["đối thoại", "nút thắt bất ngờ", "bài học", "báo trước", "xung đột", "kết buồn"]
    chinese = ["对话", "情节反转", "道理", "伏笔", "冲突", "悲伤结局"]
    for names in (published, vietnamese, chinese, FEATURES, [name.replace(" ", "_") for name in FEATURES]):
        assert [canonical(name) for name in names] == list(FEATURES)
    assert canonical(unicodedata.normalize("NFD", "đối thoại")) == "dialogue"
    assert canonical("a talking spoon") is None
    assert canonical("") is None


@pytest.mark.parametrize(
    ("text", "language", "there"),
    [
        ('"Hello," said Ben.', "en", True),
        ("“Hello!” said Ben.", "en", True),
        ("« Bonjour ! » said Ben.", "en", True),
        ("„Hello“, said Ben: „Come in.“", "en", True),
        ('Ben said, "my dear friend"', "en", True),
        ("He said “I forgive you”.", "en", True),
        ("Ben said hello and asked for some milk.", "en", False),
        ("Ben doesn't like the dog's bone.", "en", False),
        ('The dog was called "Spot" by all.', "en", False),
        ('The sign said, "Do not enter."', "en", False),
        ('She thought, "I will jump."', "en", False),
        ('She thought to herself, "I will jump."', "en", False),
        ('"..."', "en", False),
        ("", "en", False),
        ("– Em chào bác!\nBác gật đầu.", "vi", True),
        ("- Em chào bác!\nBác gật đầu.", "vi", True),
        ("– Hello!\nHe nodded.", "en", False),
        ("Nó nghĩ thầm: “Mình sẽ nhảy.”", "vi", False),
        ("“你好！”小猫说。", "zh", True),
        ("「你好！」小貓說。", "zh", True),
        ("『你好！』小貓說。", "zh", True),
        ("小狗名叫“小白”，住在山上。", "zh", False),
        ("小兔心想：“我能跳过去。”", "zh", False),
    ],
)
def test_dialogue_is_speech_in_quotation_marks_of_any_kind(text, language, there):
    assert detect(text, "dialogue", language) is there


@pytest.mark.parametrize(
    ("end", "language", "bad"),
    [
        ("She was sad and cried all night.", "en", True),
        ("They played. Then she was sad.", "en", True),
        ("She was sad. Then they played.", "en", False),
        ("She was not happy.", "en", True),
        ("He never saw his dog again.", "en", True),
        ("She was happy and hugged her mom.", "en", False),
        ("She was not sad anymore and smiled.", "en", False),
        ("She was sad, but then she laughed and played.", "en", False),
        ("She was sad.\n\nThe moral is that one should smile.", "en", True),
        ("The ship sank. She was sad. The end.", "en", True),
        ("Nó không vui.", "vi", True),
        ("Nó không còn buồn, nó cười.", "vi", False),
        ("它不高兴。", "zh", True),
        ("它不再难过，笑了。", "zh", False),
    ],
)
def test_the_last_sentences_tell_a_bad_ending(end, language, bad):
    plain = {"en": "Day one. Day two. Day three. ", "vi": "Một. Hai. Ba. ", "zh": "一天。两天。三天。"}
    assert detect(plain[language] + end, "bad ending", language) is bad


def test_sadness_before_a_happy_end_is_no_bad_ending_nor_a_lesson_at_the_start_a_moral():
    middle = " ".join(f"They walked past house {number}." for number in "abcdefgh")
    assert detect(f"Ben was sad and cried. {middle} They were happy.", "bad ending", "en") is False
    lesson = "Ben learned a lesson."
    assert detect(f"{lesson} {middle} They went home.", "moral value", "en") is False
    assert detect(f"{middle} They went home. {lesson}", "moral value", "en") is True


@pytest.mark.parametrize(
    ("feature", "text", "there"),
    [
        ("moral value", "Ben learned that sharing is good.", True),
        ("moral value", "Ben learned to swim.", False),
        ("moral value", "Ben promised to always listen.", True),
        ("conflict", "They began to argue.", True),
        ("conflict", "Tom did not want to share.", True),
        ("conflict", "Tom was mad. He shouted. Then he said sorry.", True),
        ("conflict", "Tom was mad. He was mad, mad, mad.", False),
        ("plot twist", "Then, something unexpected happened.", True),
        ("plot twist", "But it was not a rock. It was a turtle!", True),
        ("plot twist", "Then they went home.", False),
    ],
)
def test_signs_of_the_other_features(feature, text, there):
    assert detect(text, feature, "en") is there


@pytest.mark.parametrize("language", ["en", "vi", "zh"])
def test_what_no_rule_can_tell_is_unknown_and_not_false(language):
    assert detect("Be careful, there may be rain.", "foreshadowing", language) is None
    assert detect("A spoon spoke.", "a talking spoon", language) is None
    assert detect('"Hei," sanoi Ben.', "dialogue", "fi") is None
    assert all(isinstance(detect("", feature, language), bool) for feature in DETECTED)


def test_the_region_of_a_tag_and_the_form_of_unicode_change_nothing():
    text = "Hóa ra đó là bác rùa."
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    tags = ["vi", "vi-VN", "VI"]
    assert {detect(form, "plot twist", tag) for form in forms for tag in tags} == {True}


@given(
    st.text(alphabet="ab \n.!?\"“”'‘’«»「」-–:,不高兴buồn", max_size=60), st.sampled_from(["en", "vi", "zh"])
)
def test_any_text_gets_an_answer(text, language):
    assert all(detect(text, feature, language) in (True, False) for feature in DETECTED)


def test_a_long_text_of_quotes_and_signs_takes_no_more_than_linear_time():
    text = (
        "never \"not so very the big ' once learned that it is was not a " * 20_000
    )  # a square would take hours
    assert all(isinstance(detect(text, feature, "en"), bool) for feature in DETECTED)


def test_hits_come_under_canonical_names_and_unknown_ones_as_none():
    asked = {"features": ["Dialogue", "foreshadowing", "a talking spoon"], "label": "conflict"}
    assert feature_hits(asked, '"Hi!" said Ben.', "en") == {
        "dialogue": True,
        "foreshadowing": None,
        "a talking spoon": None,
    }
    assert feature_hits({}, "Hi.", "en") == feature_hits({"features": "dialogue"}, "Hi.", "en") == {}


def test_the_rate_is_over_what_can_be_told():
    hits = [{"dialogue": True, "foreshadowing": None}, {"dialogue": False, "conflict": True}, {}]
    assert feature_hit_rate(hits) == pytest.approx(2 / 3)
    assert feature_hit_rate([{"foreshadowing": None}]) is None


def agreement(rows, feature, language):
    """Precision and recall, as estimates, over (text, letters) pairs."""
    found = [detect(text, feature, language) for text, _ in rows]
    there = [LETTER[feature] in letters for _, letters in rows]
    right = sum(map(all, zip(found, there, strict=True)))
    return share(right, sum(found)), share(right, sum(there))


@pytest.fixture
def stories(public_data):
    text = public_data("tinystories/valid_first_10k_lines.txt").read_text(encoding="utf-8")
    return [story.strip() for story in text.split("<|endoftext|>")]


def test_the_labelled_rows_are_those_that_the_hash_chose(stories):
    order = sorted(
        range(len(stories) - 1),  # the last one is cut
        key=lambda row: hashlib.sha256(f"features {row}".encode()).hexdigest(),
    )
    dev, test = ([int(row) for row in LABELLED["tinystories"][half]] for half in ("dev", "test"))
    assert (dev, test) == (order[:116], order[116:252])


LOWER = {  # lower ends of Wilson's intervals: precision, recall
    "dialogue": (0.95, 0.90),
    "moral value": (0.80, 0.60),
    "bad ending": (0.70, 0.50),
    "conflict": (0.65, 0.60),
    "plot twist": (0.75, 0.30),
}


@pytest.mark.parametrize("feature", DETECTED)
def test_precision_and_recall_are_those_of_the_docstring(stories, feature):
    rows = [(stories[int(row)], letters) for row, letters in LABELLED["tinystories"]["test"].items()]
    precision, recall = agreement(rows, feature, "en")
    assert precision.low >= LOWER[feature][0]
    assert recall.low >= LOWER[feature][1]
    said = [f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}] n={e.n}" for e in (precision, recall)]
    assert f"    {feature:<14}  {said[0]}   {said[1]}" in features.__doc__


@pytest.mark.parametrize(("language", "name"), [("vi", "Vietnamese"), ("zh", "Chinese")])
def test_on_our_own_stories_too(language, name):
    rows = [(story["text"], story["features"]) for story in LABELLED["own"][language]]
    assert len(rows) >= 15
    short = {"moral value": "moral", "plot twist": "twist"}
    (line,) = [line for line in features.__doc__.splitlines() if line.startswith(f"    {name}  ")]
    for feature in DETECTED:
        right, recall = agreement(rows, feature, language)
        said = [f"{round(e.value * e.n)}/{e.n}" for e in (right, recall)]
        assert f"{short.get(feature, feature)} {said[0]}, {said[1]}" in line


def test_what_counts_for_obedience_is_right_nine_times_in_ten_both_ways(stories):
    english = [(stories[int(row)], letters) for row, letters in LABELLED["tinystories"]["test"].items()]
    ours = [(code, [tuple(row.values())[::-1] for row in rows]) for code, rows in LABELLED["own"].items()]
    for language, rows in [("en", english), *ours]:
        both = {feature: agreement(rows, feature, language) for feature in DETECTED}
        good = {feature for feature, pair in both.items() if min(e.value for e in pair) >= 0.9}
        assert good >= COUNTED
        assert language != "en" or good == COUNTED


def test_fables_with_a_proverb_as_moral_are_hardly_ever_recognised(public_data):
    fables = json.loads(public_data("fables/aesop4children.json").read_text(encoding="utf-8"))
    told = [f"{fable['fable']}\n{fable['lesson']}" for fable in fables]
    assert len(told) == 146
    assert sum(detect(text, "moral value", "en") for text in told) == 8
