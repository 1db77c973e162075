"""Seconds by stage: each moment once, and nothing where nobody watches."""

import time

import pytest

from cryptodask.timing import stage, watching


def spend(seconds: float) -> None:
    """Let so much time go by, busily, since a sleep may take longer."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_stage_inside_another_counts_for_itself_alone() -> None:
    started = time.perf_counter()
    with watching() as seconds:
        with stage("fit"):
            spend(0.01)
            with stage("trace"):
                spend(0.03)
            spend(0.01)
        with stage("fit"):
            spend(0.01)
    whole = time.perf_counter() - started
    assert set(seconds) == {"fit", "trace"}
    assert seconds["fit"] >= 0.03
    assert seconds["trace"] >= 0.03
    assert sum(seconds.values()) <= whole


def test_what_raises_ends_its_stages() -> None:
    with watching() as seconds:
        with pytest.raises(ValueError, match="broken"), stage("fit"), stage("trace"):
            raise ValueError("broken")
        with stage("write"):
            spend(0.001)
    assert list(seconds) == ["fit", "trace", "write"]


def test_stages_that_nobody_watches_are_no_trouble() -> None:
    with stage("fit"):
        spend(0.001)
    with watching() as seconds:
        pass
    assert seconds == {}


def test_one_watch_inside_another_has_its_own_seconds() -> None:
    with watching() as outer, stage("read"):
        with watching() as inner, stage("fit"):
            spend(0.01)
        assert set(inner) == {"fit"}
    assert set(outer) == {"read"}
