"""Frames of any library and form give the rows that a file of them gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask import CryptoLoader, PriceTable, import_prices
from cryptodask.errors import InputError, PolicyError
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.frames.dask_source import DaskFrameSource
from cryptodask.prices.frames.frame_source import FrameSource
from cryptodask.prices.partition import Source
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.schema import NUMBER_COLUMNS
from cryptodask.prices.synthetic import synthetic_prices
from tests.examples import examples
from tests.prices.conftest import write_files

DAYS = pd.date_range("2024-01-01", periods=4)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    """Nine coins of 3 to 120 days, one with a gap."""
    return synthetic_prices(9, 120, seed=2, short=(3, 8), broken=("gap",))


def closes_only(prices: pd.DataFrame) -> pd.DataFrame:
    others = [name for name in NUMBER_COLUMNS if name != "close"]
    return prices.assign(**dict.fromkeys(others, np.nan))


def rows_of(source: Source, n: int | None = None) -> pd.DataFrame:
    parts = [part.read() for part in source.partitions(source.coins, n)]
    return pd.concat(parts, ignore_index=True)


def long_frame(closes: object = (1.0, 2.0, 3.0, 4.0), coin: object = "Acoin") -> pd.DataFrame:
    return pd.DataFrame({"coin": coin, "date": DAYS, "close": closes})


FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda p: p,
    "shuffled": lambda p: p.sample(frac=1, random_state=1),
    "newest first": lambda p: p.iloc[::-1],
    "by coin and date": lambda p: p.set_index(["coin", "date"]),
    "by coin": lambda p: p.set_index("coin"),
    "by date": lambda p: p.set_index("date"),
    "nixtla": lambda p: p.rename(columns={"coin": "unique_id", "date": "ds", "close": "y"}),
    "other names": lambda p: p.rename(columns={"coin": "symbol", "date": "timestamp"}),
    "dates as text": lambda p: p.assign(date=p["date"].dt.strftime("%Y-%m-%d")),
    "dates as objects": lambda p: p.assign(date=p["date"].dt.date),
    "categories": lambda p: p.assign(coin=p["coin"].astype("category")),
    "fields by coin": lambda p: p.pivot(index="date", columns="coin"),
    "coins by field": lambda p: p.pivot(index="date", columns="coin").swaplevel(axis=1),
    "polars": pl.from_pandas,
    "polars, lazy": lambda p: pl.from_pandas(p).lazy(),
    "arrow": lambda p: pa.Table.from_pandas(p, preserve_index=False),
    "arrow batches": lambda p: pa.Table.from_pandas(p, preserve_index=False).to_reader(),
    "dask": lambda p: dd.from_pandas(p.sample(frac=1, random_state=1), npartitions=4),
    "dask, by coin": lambda p: dd.from_pandas(p.set_index("coin"), npartitions=3),
    "dask, one part": lambda p: dd.from_pandas(p, npartitions=1),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_frame_gives_its_rows_to_the_bit(
    prices: pd.DataFrame, form: Callable[[pd.DataFrame], Any]
) -> None:
    loader = CryptoLoader(form(prices))
    pd.testing.assert_frame_equal(rows_of(loader.source), prices, check_exact=True)
    assert loader.source.fingerprint() == FrameSource(prices).fingerprint()  # type: ignore[attr-defined]
    assert loader.freq == "1d"


WIDE: dict[str, Callable[[pd.DataFrame], Any]] = {
    "dates as index": lambda w: w,
    "an index without a name": lambda w: w.rename_axis(None).rename_axis(None, axis=1),
    "dates as column": lambda w: w.reset_index(),
    "polars": lambda w: pl.from_pandas(w.reset_index()),
    "arrow": lambda w: pa.Table.from_pandas(w.reset_index(), preserve_index=False),
    "dask": lambda w: dd.from_pandas(w, npartitions=3),
    "dask, dates as column": lambda w: dd.from_pandas(w.reset_index(), npartitions=3),
}


@pytest.mark.parametrize("form", WIDE.values(), ids=WIDE)
def test_a_wide_frame_has_a_column_a_coin(
    prices: pd.DataFrame, form: Callable[[pd.DataFrame], Any]
) -> None:
    wide = prices.pivot(index="date", columns="coin", values="close")
    loader = CryptoLoader(form(wide))
    expected = closes_only(prices)
    pd.testing.assert_frame_equal(rows_of(loader.source), expected, check_exact=True)


@pytest.mark.parametrize("form", WIDE.values(), ids=WIDE)
def test_a_column_that_can_not_be_shown_costs_no_other_coin(
    prices: pd.DataFrame, form: Callable[[pd.DataFrame], Any]
) -> None:
    wide = prices.pivot(index="date", columns="coin", values="close")
    loader = CryptoLoader(form(wide.assign(**{"a\x1b[31m": 1.0})))
    assert loader.get_crypto_names() == list(wide.columns)
    assert lost(loader.findings())["message"].str.contains("name that can be shown").all()
    assert len(lost(loader.findings()))


def test_a_series_is_one_coin(prices: pd.DataFrame) -> None:
    coin = prices["coin"].iloc[-1]
    rows = prices[prices["coin"] == coin].reset_index(drop=True)
    series = rows.set_index("date")["close"].rename(coin)
    pd.testing.assert_frame_equal(CryptoLoader(series).get_df(), closes_only(rows))
    by_coin = prices.set_index(["coin", "date"])["close"]
    pd.testing.assert_frame_equal(CryptoLoader(by_coin).get_df(), closes_only(prices))


@pytest.mark.parametrize("partitions", [1, 2, 50])
def test_rows_do_not_depend_on_partitions(prices: pd.DataFrame, partitions: int) -> None:
    for frame in (prices, dd.from_pandas(prices, npartitions=3)):
        source = CryptoLoader(frame).source
        pd.testing.assert_frame_equal(rows_of(source, partitions), prices)


def test_a_frame_is_read_as_the_file_of_it(tmp_path: Path) -> None:
    stamps = pd.date_range("2024-01-01", periods=6, tz="UTC")
    frame = pd.DataFrame({"coin": "A", "date": stamps, "close": np.arange(1.0, 7)})
    frame.to_parquet(tmp_path / "all.parquet")
    expected = CryptoLoader(tmp_path / "all.parquet").get_df()
    assert str(expected["date"].iloc[0]) == "2023-12-31 00:00:00"  # an instant closes the day
    for given_frame in (frame, pl.from_pandas(frame), dd.from_pandas(frame, npartitions=2)):
        pd.testing.assert_frame_equal(CryptoLoader(given_frame).get_df(), expected)


def test_midnight_in_a_zone_names_the_session() -> None:
    days = pd.date_range("2024-07-01", periods=4, tz="Europe/Berlin")
    frame = pd.DataFrame({"coin": "A", "date": days, "open": 1.0, "close": [1.0, 2, 3, 4]})
    for given_frame in (frame, pl.from_pandas(frame), dd.from_pandas(frame, npartitions=2)):
        dates = CryptoLoader(given_frame).get_df()["date"]
        assert dates.dt.strftime("%m-%d").tolist() == ["07-01", "07-02", "07-03", "07-04"]


def test_hours_that_fill_a_partition_with_midnights_stay_hours() -> None:
    hours = pd.date_range("2024-01-01", periods=48, freq="h")
    frame = pd.DataFrame({"coin": "A", "date": hours, "open": 1.0, "close": np.arange(1.0, 49)})
    frame = pd.concat([frame[frame["date"].dt.hour == 0], frame[frame["date"].dt.hour > 0]])
    expected = CryptoLoader(frame).get_df()
    assert len(expected) == 48
    parts = dd.concat([dd.from_pandas(frame[:2], npartitions=1), dd.from_pandas(frame[2:], 2)])
    loader = CryptoLoader(parts)
    assert loader.freq == "1h"
    pd.testing.assert_frame_equal(loader.get_df(), expected)


def test_bad_rows_are_findings_with_coin_and_row() -> None:
    good = long_frame()
    bad = long_frame([1.0, -2.0, np.nan, np.inf], coin="Bcoin")
    text = pd.DataFrame({"coin": "Ccoin", "date": ["2024-01-01", "soon"], "close": ["7", "8"]})
    nameless = long_frame().assign(coin=None)[:1]
    frame = pd.concat([good, bad, text.assign(date=[DAYS[0], pd.NaT]), nameless])
    for given_frame in (frame, dd.from_pandas(frame.reset_index(drop=True), npartitions=3)):
        loader = CryptoLoader(given_frame)
        with pytest.warns(UserWarning, match="4 rows or files could not be read"):
            rows = loader.get_df()
        assert rows.groupby("coin").size().to_dict() == {"Acoin": 4, "Bcoin": 1, "Ccoin": 1}
        blank = loader.findings().query("kind == 'blank_row'")
        assert list(zip(blank["coin"], blank["line"], strict=True)) == [("Bcoin", 7)]
        left_out = lost(loader.findings()).sort_values("line")
        assert set(left_out["file"]) == {"frame"}
        assert list(zip(left_out["coin"], left_out["line"], left_out["kind"], strict=True)) == [
            ("Bcoin", 6, "nonpositive_close"),
            ("Bcoin", 8, "unreadable_row"),
            ("Ccoin", 10, "unreadable_row"),
            ("", 11, "unreadable_row"),
        ]


def test_policies_are_those_of_files() -> None:
    frame = long_frame([1.0, -2.0, 3.0, 4.0])
    with pytest.raises(PolicyError, match="frame, line 2, Acoin, 2024-01-02: nonpositive_close"):
        CryptoLoader(frame, options=ReadOptions(policies={"nonpositive_close": "fail"}))


def test_a_mapping_names_columns() -> None:
    frame = long_frame().rename(columns={"coin": "wer", "date": "wann", "close": "was"})
    columns = {"coin": "wer", "date": "wann", "close": "was"}
    for given_frame in (frame, pl.from_pandas(frame), dd.from_pandas(frame, npartitions=2)):
        with pytest.raises(InputError, match=r"frame: .*wer, wann, was.*ReadOptions\(columns="):
            CryptoLoader(given_frame)
        loader = CryptoLoader(given_frame, options=ReadOptions(columns=columns))
        assert loader.get_prices("Acoin").tolist() == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"date": DAYS, "close": 1.0}), "no column names the coins"),
        (pl.DataFrame({"date": list(DAYS), "close": [1.0] * 4}), "no column names the coins"),
        (pd.DataFrame({"coin": [], "date": [], "close": []}), "has no row"),
        (pl.DataFrame(), "has no row"),
        (pd.DataFrame({"a": [1], "b": [2]}), "has no date"),
        (pd.Series([1.0], index=DAYS[:1]), "has no name"),
        (pd.Series([1.0], name="A"), "index of int64"),
        (pl.Series("A", [1.0]), "polars"),
        (long_frame([-1.0] * 4), r"no row that can be read: row 1 \(Acoin\)"),
        (pd.concat([long_frame(), long_frame()[["close"]]], axis=1), "name of 2 columns"),
    ],
)
def test_what_is_no_frame_of_prices_is_refused_with_what_to_do(frame: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CryptoLoader(frame)


def test_names_that_differ_by_case_are_one_coin() -> None:
    frame = pd.concat([long_frame()[:2], long_frame(coin="ACOIN")[2:]], ignore_index=True)
    for given_frame in (frame, dd.from_pandas(frame, npartitions=2)):
        assert CryptoLoader(given_frame).get_df()["coin"].tolist() == ["Acoin"] * 4


def test_a_frame_becomes_a_table_and_makes_it_grow(tmp_path: Path, prices: pd.DataFrame) -> None:
    early = prices[prices["date"] < "2026-06-01"]
    late = prices[prices["date"] >= "2026-06-01"]
    table = import_prices(pl.from_pandas(early), tmp_path / "table")
    result = table.append(pl.from_pandas(late))
    assert result.new_rows == len(late)
    expected = CryptoLoader(prices).get_df()
    pd.testing.assert_frame_equal(CryptoLoader(tmp_path / "table").get_df(), expected)
    again = PriceTable(tmp_path / "table").append(dd.from_pandas(late.drop(columns="open"), 2))
    assert (again.new_rows, again.unchanged_rows) == (0, len(late))
    nixtla = late.rename(columns={"coin": "unique_id", "date": "ds", "close": "y"})
    bad = nixtla[:1].assign(y=-1.0, ds=pd.Timestamp("2026-07-01"))
    worse = table.append(pd.concat([nixtla, bad]))
    assert lost(worse.findings)["kind"].tolist() == ["nonpositive_close"]
    dask_table = import_prices(dd.from_pandas(prices, npartitions=3), tmp_path / "dask")
    pd.testing.assert_frame_equal(CryptoLoader(dask_table.path).get_df(), expected)


def test_a_fingerprint_is_of_the_content(prices: pd.DataFrame) -> None:
    source = FrameSource(prices)
    changed = prices.copy()
    changed.loc[5, "close"] *= 1 + 2**-50
    assert FrameSource(changed).fingerprint() != source.fingerprint()
    assert FrameSource(prices[1:]).fingerprint() != source.fingerprint()
    negative_zero = prices.assign(volume=-0.0)
    assert (
        FrameSource(negative_zero).fingerprint()
        == FrameSource(prices.assign(volume=0.0)).fingerprint()
    )


@settings(max_examples=examples(8), deadline=None)
@given(
    npartitions=st.integers(1, 6),
    order=st.randoms(use_true_random=False),
    closes=st.lists(st.floats(1e-9, 1e9), min_size=12, max_size=12),
)
def test_any_partitioning_of_any_order_gives_the_same(
    npartitions: int, order: Any, closes: list[float]
) -> None:
    frame = pd.DataFrame({"coin": ["A", "B", "C"] * 4, "date": np.repeat(DAYS, 3), "close": closes})
    places = list(range(12))
    order.shuffle(places)
    mixed = frame.iloc[places].reset_index(drop=True)
    with dask.config.set(scheduler="synchronous"):
        source = DaskFrameSource(dd.from_pandas(mixed, npartitions=npartitions))
        assert (
            rows_of(source)["close"].tolist()
            == FrameSource(frame)._reading.prices["close"].tolist()
        )


def test_files_beside_frames_do_not_matter(tmp_path: Path, prices: pd.DataFrame) -> None:
    write_files(tmp_path, {"frame": "x"})
    assert len(CryptoLoader(prices)) == 9


HOURS = pd.date_range("2024-01-01", periods=48, freq="h")


def hourly(stamps: dict[str, Any]) -> pd.DataFrame:
    closes = np.arange(1.0, 49)
    bars = {"open": closes, "high": closes + 1, "low": closes / 2, "close": closes}
    return pd.DataFrame({"coin": "A", **stamps, **bars})


@pytest.mark.parametrize(
    "stamps",
    [
        {"close_time": HOURS + pd.Timedelta("59min 59s 999ms")},
        {"close_time": (HOURS.astype("datetime64[ms]").astype("int64") + 3_599_999)},
        {"Open time": HOURS.astype("datetime64[ms]").astype("int64")},
        {"date": HOURS.strftime("%Y-%m-%d"), "time": HOURS.strftime("%H:%M")},
    ],
    ids=["closes", "closes from 1970", "opens from 1970", "two columns"],
)
def test_stamps_of_a_frame_mean_the_same_whatever_its_library(stamps: dict[str, Any]) -> None:
    frame = hourly(stamps)
    loader = CryptoLoader(frame)
    assert loader.freq == "1h"
    assert loader.get_df()["date"].tolist() == HOURS.tolist()
    for given_frame in (pl.from_pandas(frame), dd.from_pandas(frame, npartitions=3)):
        pd.testing.assert_frame_equal(CryptoLoader(given_frame).get_df(), loader.get_df())


def declare(prices: pd.DataFrame) -> tuple[dict[str, list[str]], str, str]:
    """Return a split of the first coin and a rename of the second, and the two names."""
    first, second = prices["coin"].unique()[:2]
    return {"splits": [f"{first}:2026-05-01:0.001"], "renames": [f"{second}:Zcoin"]}, first, second


def test_splits_and_renames_are_those_of_files(tmp_path: Path, prices: pd.DataFrame) -> None:
    declared, first, second = declare(prices)
    early = (prices["coin"] == first) & (prices["date"] < "2026-05-01")
    old = prices.assign(close=prices["close"].mask(early, prices["close"] * 0.001))
    old = old.assign(open=np.nan, high=np.nan, low=np.nan)
    (tmp_path / "files").mkdir()
    old.to_csv(tmp_path / "files" / "all.csv", index=False)
    expected = import_prices(tmp_path / "files", tmp_path / "of_files", **declared)  # type: ignore[arg-type]
    assert second not in expected.coins
    assert "Zcoin" in expected.coins
    for name, frame in {"pandas": old, "dask": dd.from_pandas(old, npartitions=3)}.items():
        table = import_prices(frame, tmp_path / name, partitions=4, **declared)  # type: ignore[arg-type]
        assert table.declared == expected.declared
        pd.testing.assert_frame_equal(rows_of(table), rows_of(expected))
    grown = import_prices(old[old["coin"] != first], tmp_path / "grown")
    grown.append(pl.from_pandas(old[old["coin"] == first]), **declared)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(rows_of(grown), rows_of(expected))


def test_a_frame_without_a_close_says_why_it_has_no_row() -> None:
    frame = pd.DataFrame({"coin": "A", "date": pd.date_range("2024-01-01", periods=3)})
    with pytest.raises(InputError, match=r"no row that can be read: none of its rows has a close$"):
        CryptoLoader(frame.assign(close=float("nan")))
