"""kill -9 at random moments of a run against a real server, whose own log says what was asked twice."""

import killing
import pytest

pytestmark = pytest.mark.filterwarnings("ignore")  # of Prefect's own code

CONCURRENCY = 16


@pytest.fixture
def api_url(prefect_server):
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value()


def test_no_reply_is_paid_twice_but_those_in_flight_at_a_kill_and_the_corpus_is_the_same(tmp_path, api_url):
    outcome, root = killing.killed(tmp_path, api_url, kills=3, count=30, concurrency=CONCURRENCY)
    assert outcome.kills == 3 and outcome.exit_code == 0
    assert outcome.unexplained == []
    assert outcome.repeated <= outcome.kills * CONCURRENCY
    assert outcome.most <= 1 + outcome.kills
    whole, code = killing.whole(tmp_path, api_url, count=30, concurrency=CONCURRENCY)
    assert code == 0
    assert killing.differences(root, whole) == [] and killing.files_differ(root, whole) == []
