"""Updates of viewers: those of the stream, and documents, each at a separate pace."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cryptodask.dashboard import broadcaster as broadcaster_module
from cryptodask.dashboard.broadcaster import Broadcaster
from cryptodask.dashboard.live import Live
from tests.dashboard.test_live import message, totals
from tests.dashboard.test_stream import Reader


class Context:
    """A session's, whose updates take until they are let go."""

    def __init__(self) -> None:
        self.destroyed = False
        self.may_go = asyncio.Event()

    async def with_locked_document(self, update: Callable[[Any], Any]) -> None:
        await self.may_go.wait()
        update(None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcaster_module, "SHORTEST", 0.001)
    monkeypatch.setattr(broadcaster_module, "SHARE", 100.0)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.001)


def test_a_document_that_takes_long_keeps_nobody_else_waiting() -> None:
    async def run() -> None:
        live, reader, context = Live(), Reader(), Context()
        broadcaster = Broadcaster(live)
        updates: list[int] = []
        broadcaster.follow(reader)
        broadcaster.join(
            SimpleNamespace(session_context=context), lambda: updates.append(live.version)
        )
        for n in (1, 2, 3):
            live.take(message("a", totals=totals((n, 0), (0, 0))), float(n))
            await until(lambda n=n: reader.known.get("runs", {}).get("done") == [n])  # type: ignore[misc]
        assert updates == []
        context.may_go.set()
        await until(lambda: updates == [3, 3] or updates == [3])
        await asyncio.sleep(0.05)
        assert len(updates) <= 2  # what it missed comes once
        broadcaster.stream.leave(reader)
        context.destroyed = True
        await until(lambda: all(task.done() for task in broadcaster._tasks.values()))

    asyncio.run(run())


def test_who_comes_after_all_others_left_is_updated() -> None:
    async def run() -> None:
        live = Live()
        broadcaster = Broadcaster(live)
        for n in (1, 2):
            context, updates = Context(), list[int]()
            context.may_go.set()
            document = SimpleNamespace(session_context=context)
            broadcaster.join(document, lambda updates=updates: updates.append(1))  # type: ignore[misc]
            live.take(message("a", totals=totals((n, 0), (0, 0))), float(n))
            await until(lambda updates=updates: updates == [1])  # type: ignore[misc]
            context.destroyed = True
            await until(lambda: all(task.done() for task in broadcaster._tasks.values()))

    asyncio.run(run())
