"""What a file's footer tells of its coins, and whether that is believed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.prices.table.footer_stats import FOOTER_KEY, FooterStats, footer_stats_in
from cryptodask.records import DAY

calm = settings(deadline=None, max_examples=50)


@st.composite
def prices(draw: st.DrawFn) -> pd.DataFrame:
    """Rows of a few coins, by coin and date, some of them evenly apart and some not."""
    names = draw(st.sets(st.text("abÄ币\0 ", min_size=1, max_size=3), min_size=1, max_size=4))
    frames = []
    for name in sorted(names):
        n = draw(st.integers(1, 5))
        apart = st.sampled_from([3_600, 86_400, 172_800])
        steps = draw(st.one_of(apart.map(lambda s, n=n: [s] * n), st.lists(apart, min_size=n)))[:n]
        dates = np.datetime64("1960-01-01", "s") + np.cumsum(steps)
        closes = draw(st.lists(st.floats(1e-300, 1e300), min_size=n, max_size=n))
        frames.append(pd.DataFrame({"coin": name, "date": dates, "close": closes}))
    rows = pd.concat(frames, ignore_index=True)
    return rows.astype({"coin": "str", "date": "datetime64[s]"})


def footer(rows: pd.DataFrame, outline: str | None) -> pq.FileMetaData:
    """The footer of a file of these rows that has this outline."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.write_table(table)
        if outline is not None:
            writer.add_key_value_metadata({FOOTER_KEY: outline})
    return pq.read_metadata(pa.BufferReader(sink.getvalue()))


@calm
@given(rows=prices())
def test_an_outline_tells_what_the_rows_have_of_each_coin(rows: pd.DataFrame) -> None:
    told = footer_stats_in(footer(rows, FooterStats.of(rows).encode()))
    assert told is not None
    groups = list(rows.groupby("coin", sort=False))
    assert told.coins == [coin for coin, _ in groups]
    for i, (_, of_coin) in enumerate(groups):
        dates = of_coin["date"].to_numpy().astype("datetime64[s]")
        steps = set(np.diff(dates))
        assert told.rows[i] == len(of_coin)
        assert (told.first[i], told.last[i]) == (dates[0], dates[-1])
        assert told.close[i] == of_coin["close"].iloc[-1]
        assert told.step[i] == (steps.pop() if len(steps) == 1 else np.timedelta64(0))
        for step in (DAY, np.timedelta64(1, "h")):
            assert told.is_even(step)[i] == (np.diff(dates) == step).all()


def test_a_file_without_an_outline_has_none() -> None:
    rows = pd.DataFrame({"coin": ["a"], "date": [pd.Timestamp("2020-01-01")], "close": [1.0]})
    assert footer_stats_in(footer(rows, None)) is None


def test_an_outline_of_other_rows_is_not_believed() -> None:
    dates = pd.date_range("2020-01-01", periods=3)
    rows = pd.DataFrame({"coin": "a", "date": dates, "close": [1.0, 2.0, 3.0]})
    assert footer_stats_in(footer(rows[:2], FooterStats.of(rows).encode())) is None


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA"])
def test_a_damaged_outline_is_an_error(text: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"coin": ["a"], "date": [pd.Timestamp("2020-01-01")], "close": [1.0]})
    with pytest.raises((ValueError, OSError)):
        footer_stats_in(footer(rows, text))
