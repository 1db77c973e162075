"""What viewers of the page of runs get: everything at first, and then what changed."""

import json
from typing import Any

from cryptodask.cluster.events import ENDED
from cryptodask.dashboard.live import MOST_RUNS, Live
from cryptodask.dashboard.live_view import details, runs_table
from cryptodask.dashboard.stream import Stream
from tests.dashboard.test_live import message, totals


class Reader:
    """A viewer who keeps what it gets as a browser does, unless it takes nothing now."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.known: dict[str, Any] = {}
        self.is_slow = False

    def send(self, text: str) -> bool:
        if not self.is_slow:
            self.texts.append(text)
            self.known |= json.loads(text)
        return not self.is_slow


def shown(live: Live) -> dict[str, Any]:
    parts: dict[str, Any] = {"runs": runs_table(list(live.latest()))}
    for run in live.latest():
        parts |= {f"{run.id}/{name}": part for name, part in details(run).items()}
    return parts


def test_only_what_changed_is_sent_and_the_same_text_to_all() -> None:
    live, readers = Live(), (Reader(), Reader())
    live.take(message("a"), 1.0)
    live.take(message("b"), 2.0)
    stream = Stream(live)
    for reader in readers:
        stream.join(reader)
        assert reader.known == shown(live)
    stream.send_changes()
    assert [len(reader.texts) for reader in readers] == [1, 1]
    live.take(message("b", totals=totals((1, 0), (0, 0))), 3.0)
    stream.send_changes()
    assert readers[0].texts[-1] is readers[1].texts[-1]
    assert set(json.loads(readers[0].texts[-1])) == {
        "runs",
        "b/models",
        "b/summary",
        "b/throughput",
    }
    assert readers[0].known == shown(live)


def test_a_viewer_who_is_slow_gets_all_once_it_can_take_it() -> None:
    live, quick, slow = Live(), Reader(), Reader()
    stream = Stream(live)
    for reader in (quick, slow):
        stream.join(reader)
    slow.is_slow = True
    for n in range(1, 4):
        live.take(message("a", totals=totals((n, 0), (0, 0))), float(n))
        stream.send_changes()
    assert (len(quick.texts), len(slow.texts)) == (4, 1)
    slow.is_slow = False
    stream.send_changes()  # nothing is new, but to the slow one
    assert (len(quick.texts), len(slow.texts)) == (4, 2)
    assert quick.known == slow.known == shown(live)


def test_who_comes_after_others_left_sees_how_things_are_now() -> None:
    live, first, second = Live(), Reader(), Reader()
    stream = Stream(live)
    stream.join(first)
    stream.leave(first)
    live.take(message("a", ENDED), 1.0)
    stream.join(second)
    assert second.known == shown(live)
    assert len(first.texts) == 1


def test_what_is_sent_of_runs_that_are_forgotten_is_forgotten_too() -> None:
    live, early, late = Live(), Reader(), Reader()
    stream = Stream(live)
    stream.join(early)
    for n in range(MOST_RUNS + 3):
        live.take(message(f"run-{n}", ENDED), float(n))
        stream.send_changes()
    stream.join(late)
    assert late.known == shown(live)
