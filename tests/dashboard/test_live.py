"""The scheduler's knowledge of runs: any order of messages, any number of times."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.cluster.events import ENDED, FAILED, RUNNING, STOPPED
from cryptodask.dashboard.broadcaster import Broadcaster
from cryptodask.dashboard.live import MOST_POINTS, MOST_RUNS, OTHERS, Live
from cryptodask.dashboard.live_view import (
    models_table,
    runs_table,
    shown_seconds,
    summary_of,
    throughput,
)
from cryptodask.dashboard.run_message import MOST_BYTES, MOST_MODELS


def message(run: str = "a", state: str = RUNNING, **others: Any) -> dict[str, Any]:
    facts = {"run": run, "client": "me", "kind": "forecast", "state": state, "horizon": 10}
    facts |= {"source": "/prices", "out": "", "models": {"naive": 10, "linear": 10}}
    return facts | {"totals": {}, "failures": []} | others


def totals(naive: tuple[int, int], linear: tuple[int, int]) -> dict[str, Any]:
    counts = {"naive": naive, "linear": linear}
    return {
        model: [ended, failed, 100 * ended, {"fit": 0.5 * ended}]
        for model, (ended, failed) in counts.items()
    }


STEPS = st.lists(
    st.tuples(st.sampled_from(["naive", "linear"]), st.booleans()), min_size=1, max_size=20
)


@st.composite
def histories(draw: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Messages of two runs in order, and the same shuffled, some twice and some lost."""
    sent = []
    for run in ("a", "b"):
        counts = {"naive": [0, 0], "linear": [0, 0]}
        for n, (model, failed) in enumerate(draw(STEPS)):
            if counts[model][0] < 10:
                counts[model][0] += 1
                counts[model][1] += failed
            now = totals(*(tuple(counts[m]) for m in ("naive", "linear")))
            failures = [[f"{run}{n}", model, "E", "why"]] if failed else []
            sent.append(message(run, totals=now, failures=failures))
        sent.append(sent[-1] | {"state": ENDED})
    lost = draw(st.lists(st.sampled_from(sent[:-1]), max_size=5))
    kept = [m for m in sent if m["state"] == ENDED or not any(m is x for x in lost)]
    again = draw(st.lists(st.sampled_from(kept), max_size=5))
    return sent, draw(st.permutations([*kept, *again]))


@given(histories())
def test_order_and_repetition_of_messages_change_no_count(
    history: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    straight, shuffled = Live(), Live()
    for live, messages in zip((straight, shuffled), history, strict=True):
        for n, sent in enumerate(messages):
            assert live.take(copy.deepcopy(sent), 100.0 + n)
            for run in live.runs.values():
                for progress in run.models.values():
                    assert progress.ended == progress.done + progress.failed
                    assert progress.left == progress.coins - progress.ended
                    assert 0 <= progress.failed <= progress.ended <= progress.coins
        for what, counts in (("done", live.done), ("failed", live.failed)):
            assert sum(counts.values()) == sum(r.total(what) for r in live.runs.values())
        assert live.started["forecast"] == 2
        assert live.ended == {("forecast", ENDED): 2}
    for run in straight.runs.values():
        other = shuffled.runs[run.id]
        assert (run.models, run.state, run.source) == (other.models, other.state, other.source)
    assert dict(straight.seconds) == pytest.approx(dict(shuffled.seconds))


def test_a_run_is_followed_from_its_beginning_to_its_end() -> None:
    live = Live()
    live.take(message(), 100.0)
    live.take(message(totals=totals((4, 0), (2, 1)), tables=[b"x"]), 110.0)
    run = live.runs["a"]
    assert run.seconds_left() == pytest.approx(10 * 14 / 6)
    assert run.seconds_left("naive") == pytest.approx(15)
    assert run.tables == [b"x"]
    last = message(state=ENDED, totals=totals((10, 0), (10, 2)), whole=b"all")
    assert live.take(last, 120.0)
    assert "whole" not in last  # whoever keeps messages does not keep forecasts
    live.take(message(tables=[b"x"]), 121.0)
    assert (run.state, run.tables, run.seconds_left()) == (ENDED, [b"all"], None)
    curve = throughput(run)
    assert curve["rate"].tolist() == [0.6, 0.6, 1.4, 1.4, 0.0, 0.0]
    assert curve["seconds"].tolist() == [0.0, 10.0, 10.0, 20.0, 20.0, 21.0]
    table = runs_table([run])
    assert (table["done"], table["failed"], table["left"], table["share"]) == ([18], [2], [0], [1])
    assert models_table(run)["done"] == [10, 8]
    assert "prices from /prices" in summary_of(run)


def test_runs_of_a_client_that_is_gone_have_stopped() -> None:
    live = Live()
    live.take(message("a"), 1.0)
    live.take(message("b", FAILED, error="OSError: full"), 2.0)
    live.take(message("c", client="other"), 3.0)
    live.client_gone("me")
    assert [run.state for run in live.runs.values()] == [STOPPED, FAILED, RUNNING]
    assert live.runs["b"].error == "OSError: full"
    live.take(message("a", ENDED), 4.0)  # its last word came late
    assert live.runs["a"].state == ENDED
    assert live.ended == {("forecast", STOPPED): 1, ("forecast", FAILED): 1}


@pytest.mark.parametrize(
    "other",
    [
        None,
        "text",
        {},
        message() | {"kind": "<b>"},
        message() | {"state": "gone"},
        message() | {"horizon": "ten"},
        message() | {"totals": {"naive": [1, 2]}},
        message() | {"totals": {"naive": [1, 0, 5, {"fit": float("inf")}]}},
        message() | {"totals": {"naive": [1, 0, float("inf"), {}]}},
        message() | {"failures": [["coin"]]},
        message() | {"tables": ["text"]},
    ],
)
def test_what_is_no_message_is_left(other: Any) -> None:
    live = Live()
    assert not live.take(other, 1.0)
    assert not live.runs


def test_what_is_kept_is_bounded_and_what_was_forgotten_is_not_counted_twice() -> None:
    live = Live()
    live.take(message("old", totals=totals((1, 0), (1, 0))), 0.0)
    for n in range(MOST_RUNS + 5):
        live.take(message(f"run-{n}", ENDED, models={f"model-{n}-{m}": 1 for m in range(9)}), 1.0)
    assert len(live.runs) == MOST_RUNS
    assert "old" in live.runs  # it is in progress
    assert not live.take(message("run-0", ENDED), 2.0)
    assert live.started["forecast"] == MOST_RUNS + 6
    assert len({*live.done, *live.failed}) <= MOST_MODELS + 1
    assert OTHERS in live.done
    for n in range(3 * MOST_POINTS):
        now = {"naive": [n, 0, 0, {}]}
        live.take(message("old", models={"naive": 10_000}, totals=now), 3.0 + n)
    old = live.runs["old"]
    assert len(old.points) <= MOST_POINTS
    assert old.points[0][1] == 2
    assert old.points[-1][1] == 3 * MOST_POINTS
    live.take(message("old", tables=[b"." * (MOST_BYTES + 1)]), 9999.0)
    assert not old.tables


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (float("inf"), "–"), (45.4, "45 s"), (200, "3:20 min"), (7500, "2:05 h")],
)
def test_durations_are_written_for_people(seconds: float | None, shown: str) -> None:
    assert shown_seconds(seconds) == shown


def test_viewers_share_entries_until_something_changes() -> None:
    live = Live()
    live.take(message("a"), 1.0)
    live.take(message("b", kind="backtest"), 2.0)
    broadcaster = Broadcaster(live)
    entries = broadcaster.entries
    assert broadcaster.entries is entries
    assert [entry.id for entry in entries] == ["a"]  # a backtest has no forecasts ahead
    live.client_gone("me")
    assert STOPPED in broadcaster.entries[0].label
