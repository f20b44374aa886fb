import asyncio
import concurrent.futures
import threading

from tasks.calls.landing import Landing


def test_all_acts_run_in_the_loop_with_their_errors():
    seen = []

    async def wait():
        here = threading.get_ident()
        landing = Landing(asyncio.get_running_loop())
        futures = [concurrent.futures.Future() for _ in range(500)]
        for i, future in enumerate(futures):
            landing.then(future, lambda error, i=i: seen.append((i, error, threading.get_ident() == here)))

        def finish():
            for i, future in enumerate(futures):
                if i % 7:
                    future.set_result(None)
                else:
                    future.set_exception(OSError(i))

        threading.Thread(target=finish).start()
        while len(seen) < 500:
            await asyncio.sleep(0.001)

    asyncio.run(wait())
    assert [i for i, _, _ in seen] == list(range(500))
    assert all((error is not None) == (i % 7 == 0) for i, error, _ in seen)
    assert all(inside for _, _, inside in seen)


def test_a_loop_that_was_closed_is_not_woken(recwarn):
    async def leave():
        landing = Landing(asyncio.get_running_loop())
        landing.then(future, lambda error: None)

    future = concurrent.futures.Future()
    asyncio.run(leave())
    future.set_result(None)
    assert not recwarn.list
