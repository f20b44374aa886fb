import threading

from tasks.calls.outcome import Ask, Countdown


def test_a_countdown_is_over_when_all_are():
    over = Countdown(200)
    threads = [threading.Thread(target=lambda: [over.step() for _ in range(49)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not over.event.is_set()
    for _ in range(4):
        over.step()
    assert over.event.is_set()


def test_an_ask_knows_nothing_at_first():
    ask = Ask("key", None, Countdown(1))
    assert ask.outcome is None and ask.error is None and ask.followers == []
