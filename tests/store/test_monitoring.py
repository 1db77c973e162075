"""The numbers of the monitor, in both databases."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from cryptodask.store.monitoring import MonitorStore


def number(measure: str, value: float | None) -> dict[str, object]:
    return {"measure": measure, "value": value, "least": None, "most": 1.0}


def test_numbers_of_a_day_replace_those_that_were_there(place: str) -> None:
    with MonitorStore(place) as store:
        store.add_numbers("2026-01-02", "naive", [number("a", 0.5), number("b", None)])
        store.add_numbers("2026-01-01", "naive", [number("a", 0.25)])
        store.add_numbers("2026-01-02", "ridge", [number("a", 3.0)])
        store.add_numbers("2026-01-02", "naive", [number("a", 0.75)])
        frame = store.numbers("naive")
        assert len(store.numbers()) == 3
    assert frame["day"].tolist() == [pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02")]
    assert frame["value"].tolist() == [0.25, 0.75]
    assert frame["least"].isna().all()


def test_two_that_watch_the_same_day_leave_one_set_of_numbers(place: str) -> None:
    with MonitorStore(place):
        pass

    def watch(value: float) -> None:
        with MonitorStore(place) as store:
            for _ in range(10):
                store.add_numbers("2026-01-02", "naive", [number("a", value), number("b", value)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(watch, range(4)))
    with MonitorStore(place) as store:
        frame = store.numbers()
    assert len(frame) == 2
    assert frame["value"].nunique() == 1
