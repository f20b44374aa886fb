import pytest

from tasks.storyteller import KINDS, kind_of


def test_kinds_have_names_of_their_own_and_the_last_one_takes_everything():
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert kind_of("")[0] is KINDS[-1] and kind_of("anything at all")[0] is KINDS[-1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_tells_the_same_for_the_same_seed(kind):
    hit = kind.sign.search("")
    if hit is not None:
        assert kind.tell(3, hit, 1.0) == kind.tell(3, hit, 1.0)
