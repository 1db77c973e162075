"""Closes straight from a table's files: the same as by frames, whatever the files are like."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import TableError
from cryptodask.prices import PriceTable, write_table
from cryptodask.prices.clean.findings import empty_findings
from cryptodask.prices.panels import to_panel
from cryptodask.prices.reading import Reading
from cryptodask.prices.schema import empty_prices
from cryptodask.prices.table.footer_stats import footer_stats_in
from cryptodask.prices.table.table_partition import TablePartition
from cryptodask.records import Panel
from tests.models.conftest import make_panel

Change = Callable[[pd.DataFrame], pd.DataFrame]

START = pd.Timestamp("2020-01-01")


def rows_of(days: dict[str, list[int]], hours: int = 24, level: float = 1.0) -> pd.DataFrame:
    """Rows of these coins on these bars after the start, each with a close of its own."""
    pairs = [(coin, bar) for coin, bars in sorted(days.items()) for bar in bars]
    frame = empty_prices().reindex(range(len(pairs)))
    dates = [START + pd.Timedelta(hours=hours * bar) for _, bar in pairs]
    closes = level + np.arange(len(pairs)) / 1_024
    frame = frame.assign(coin=[coin for coin, _ in pairs], date=dates, close=closes)
    return frame.astype(empty_prices().dtypes.to_dict())


def make_table(path: Path, rows: pd.DataFrame, parts: int, freq: str = "1d") -> PriceTable:
    """A table of so many parts at most."""
    coins = sorted(set(rows["coin"]))
    runs = [run for run in np.array_split(np.array(coins, dtype=object), parts) if len(run)]
    readings = [
        Reading(rows[rows["coin"].isin(run)].reset_index(drop=True), empty_findings())
        for run in runs
    ]
    return write_table(path, readings, empty={}, notes=empty_findings(), freq=freq)


def without_outlines(table: PriceTable) -> None:
    """Write the files of a table as an earlier CryptoDask did."""
    for path in [*table.path.glob("part-*"), *table.path.glob("delta-*")]:
        frame = pd.read_parquet(path)
        frame.to_parquet(path, index=False)
        assert footer_stats_in(pq.read_metadata(path)) is None


def assert_same(one: Panel, other: Panel) -> None:
    assert one.coins == other.coins
    assert one.step == other.step
    for name in ("values", "dates", "indptr"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
    assert one.is_even() == other.is_even()


def assert_last(one: Panel, whole: Panel) -> None:
    assert one.coins == whole.coins
    assert np.array_equal(one.values[one.indptr[1:] - 1], whole.values[whole.indptr[1:] - 1])
    assert np.array_equal(one.last_dates, whole.last_dates)


bars = st.sets(st.integers(0, 12), min_size=1).map(sorted) | st.integers(1, 12).map(
    lambda n: list(range(n))
)
coins_and_bars = st.dictionaries(st.sampled_from("ABCDEFG"), bars, min_size=1)


@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_a_panel_of_any_coins_is_that_of_their_rows_under_any_deltas(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    hours, freq = data.draw(st.sampled_from([(24, "1d"), (4, "4h")]))
    rows = rows_of(data.draw(coins_and_bars), hours)
    table = make_table(tmp_path_factory.mktemp("t") / "t", rows, data.draw(st.integers(1, 3)), freq)
    for level in range(2, 2 + data.draw(st.integers(0, 2))):
        table.append(rows_of(data.draw(coins_and_bars), hours, float(level)))
    if data.draw(st.booleans()):
        without_outlines(table)
    picks = st.lists(st.sampled_from(table.coins), min_size=1, unique=True).map(sorted)
    coins = data.draw(picks | st.just(table.coins))
    for part in table.partitions(coins, data.draw(st.none() | st.integers(1, len(coins)))):
        whole = to_panel(part.read(), freq)
        assert_same(part.read_panel(), whole)
        assert_last(part.read_panel(1), whole)
        assert_same(part.read_panel(2), whole)


@pytest.fixture
def part(tmp_path: Path) -> TablePartition:
    """Three coins in one part, the middle one with a gap."""
    rows = rows_of({"A": [0, 1, 2], "B": [0, 2, 3], "C": [5, 6]})
    [part] = make_table(tmp_path / "table", rows, 1).partitions(["A", "B", "C"])
    return part


def test_a_part_says_what_is_never_missing(part: TablePartition) -> None:
    schema = pq.read_schema(part.paths[0])
    assert {f.name for f in schema if not f.nullable} == {"coin", "date", "close"}


def test_last_closes_are_read_from_the_footer_alone(part: TablePartition) -> None:
    last = part.read_panel(1)
    assert last.lengths.tolist() == [1, 1, 1]
    assert last.is_even()
    assert_last(last, part.read_panel())


def test_groups_of_rows_that_hold_none_of_the_coins_are_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cryptodask.prices.table.growth._PART_GROUP", 3)
    rows = rows_of({coin: list(range(n + 1)) for n, coin in enumerate("ABCDEFG")})
    table = make_table(tmp_path / "table", rows, 1)
    assert pq.read_metadata(table.partitions(["A"])[0].paths[0]).num_row_groups == 10
    for a in range(7):
        for b in range(a + 1, 8):
            [part] = table.partitions(list("ABCDEFG"[a:b]), 1)
            assert_same(part.read_panel(), to_panel(part.read()))
    [part] = table.partitions(["B", "D", "G"], 1)
    assert_same(part.read_panel(), to_panel(part.read()))


@pytest.mark.parametrize("lookback", [None, 1])
def test_a_coin_that_the_files_lack_is_told(part: TablePartition, lookback: int | None) -> None:
    with pytest.raises(TableError, match=r"have 3 of 4 coins from A to D; import again"):
        replace(part, coins=("A", "B", "C", "D")).read_panel(lookback)


def test_whether_rows_are_even_is_found_out_or_known() -> None:
    even, uneven = make_panel([1, 4, 2]), make_panel([4, 5], gaps=True)
    assert even.is_even()
    assert not uneven.is_even()
    assert not replace(even, even=False).is_even()
    assert replace(uneven, even=True).is_even()
    assert replace(even, even=True).take([1]).even is True
    assert uneven.take([1]).even is None
    missing = make_panel([2, 3])
    missing.dates[missing.indptr[1]] = np.datetime64("NaT")
    assert not missing.is_even()
