import asyncio

import pytest

from schemas.reply import Request
from schemas.tables import Message
from tasks.calls.batch_waiting import Waiting
from tasks.calls.provider import Fatal, Unusable

REQUEST = Request(messages=[Message(role="user", content="hello")], sampling={})


async def begun(waiting, *keys):
    tasks = [asyncio.create_task(waiting.answer(key, REQUEST)) for key in keys]
    await asyncio.sleep(0)
    return tasks


def test_who_waits_gets_the_answer_and_waits_no_more():
    async def main():
        waiting = Waiting()
        (task,) = await begun(waiting, "a")
        assert list(waiting.fresh) == ["a"] and waiting.request("a") == REQUEST
        assert waiting.give("a", b"hi")
        assert not waiting.give("a", b"again") and not waiting.give("b", b"nobody")
        assert await task == b"hi"
        assert not waiting.fresh and waiting.request("a") is None

    asyncio.run(main())


def test_who_was_cancelled_waits_no_more():
    async def main():
        waiting = Waiting()
        (task,) = await begun(waiting, "a")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not waiting.give("a", b"late") and not waiting.fresh

    asyncio.run(main())


def test_a_failure_can_be_waited_for_again():
    async def main():
        waiting = Waiting()
        (task,) = await begun(waiting, "a")
        waiting.give("a", Unusable("broken"))
        with pytest.raises(Unusable):
            await task
        (again,) = await begun(waiting, "a")
        waiting.give("a", b"hi")
        assert await again == b"hi"

    asyncio.run(main())


def test_the_end_comes_for_everybody_with_an_error_of_his_own():
    async def main():
        waiting = Waiting()
        tasks = await begun(waiting, "a", "b")
        waiting.end("no credit")
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in errors] == [Fatal, Fatal] and errors[0] is not errors[1]

    asyncio.run(main())


def test_another_is_noticed_and_quiet_too():
    async def main():
        waiting = Waiting()
        asyncio.get_running_loop().call_later(0.01, waiting.came.set)
        assert await waiting.another(5)
        assert not await waiting.another(0.01)

    asyncio.run(main())
