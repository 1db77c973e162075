from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import (
    NoPricesError,
    OptionError,
    PolicyError,
    SourceError,
    TableError,
    UnknownCoinError,
)
from cryptodask.prices import CryptoLoader, import_prices
from cryptodask.prices.clean.findings import lost, summarize_findings
from cryptodask.prices.clean.gaps import fill_gaps, number_segments
from cryptodask.prices.freq import step_of
from cryptodask.prices.panels import to_panel
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.schema import empty_prices
from cryptodask.prices.synthetic import synthetic_prices
from tests.conftest import REAL_DATA, write_folder
from tests.prices.conftest import GOOD, HEADER, the_finding, told, write_files

Load = Callable[[int | None], CryptoLoader]
Real = tuple[pd.DataFrame, pd.DataFrame]
PARTITIONS = [None, 1, 3, 50]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    """Nine coins of 3 to 120 days."""
    return synthetic_prices(9, 120, seed=2, short=(3, 8), broken=("gap",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prices: pd.DataFrame) -> Path:
    """Those coins as files, and some files that give no row."""
    place = write_folder(tmp_path_factory.mktemp("loader") / "folder", prices)
    hopeless = HEADER + "\nsoon,1,1,1,1,1,1\n"
    return write_files(place, {"Aempty.csv": "", "Mhopeless.csv": hopeless, "list.csv": "#,a\n"})


@pytest.fixture(scope="module")
def table(folder: Path) -> Path:
    return import_prices(folder, folder.parent / "table", partitions=4).path


@pytest.fixture(params=["folder", "table"])
def load(request: pytest.FixtureRequest) -> Load:
    """Opens the same prices, once from the folder and once from the table."""
    place = request.getfixturevalue(request.param)
    return lambda partitions=None: CryptoLoader(place, partitions)


@pytest.fixture
def loader(load: Load) -> CryptoLoader:
    return load(None)


def test_the_names_are_in_order_and_the_callers_own(
    table: Path, folder: Path, prices: pd.DataFrame
) -> None:
    loader = CryptoLoader(table)
    names = loader.get_crypto_names()
    assert names == sorted(set(prices["coin"]))
    names.clear()
    assert len(loader.get_crypto_names()) == 9
    # Whether any row of a file can be read shows only when it is read.
    assert CryptoLoader(folder).get_crypto_names() == sorted([*set(prices["coin"]), "Mhopeless"])
    assert repr(loader) == ("CryptoLoader(9 coins, daily bars, table table, 2 coins without a row)")


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_folder_and_table_give_what_was_written_whatever_the_partitions(
    load: Load, prices: pd.DataFrame, partitions: int | None
) -> None:
    pd.testing.assert_frame_equal(load(partitions).get_df(), prices)


def test_the_closes_of_a_coin_are_floats_oldest_first(
    loader: CryptoLoader, prices: pd.DataFrame
) -> None:
    for coin in loader.get_crypto_names():
        if coin == "Mhopeless":
            continue
        closes = loader.get_prices(coin)
        assert closes.dtype == np.float64
        expected = prices[prices["coin"] == coin].sort_values("date")["close"]
        assert closes.tolist() == expected.tolist()


def test_one_coin_or_several_are_given_once_each_and_in_order(
    loader: CryptoLoader, prices: pd.DataFrame
) -> None:
    first, _, third = sorted(set(prices["coin"]))[:3]
    for coins, wanted in (
        (third, {third}),
        ([third, first], {first, third}),
        ((third, first, third), {first, third}),
        (pd.Series([first]), {first}),
    ):
        expected = prices[prices["coin"].isin(wanted)].reset_index(drop=True)
        pd.testing.assert_frame_equal(loader.get_df(coins), expected)


FIRST, LAST = date(2026, 3, 3), date(2026, 6, 30)
any_day = st.dates(FIRST - timedelta(days=5), LAST + timedelta(days=5))
maybe = st.one_of(st.none(), any_day)


@settings(max_examples=20, deadline=None)
@given(
    max_points=st.one_of(st.none(), st.integers(1, 130)),
    days=st.tuples(maybe, maybe),
    several=st.booleans(),
    partitions=st.sampled_from(PARTITIONS),
)
def test_every_cut_is_that_of_a_plain_loop(
    table: Path,
    prices: pd.DataFrame,
    max_points: int | None,
    days: tuple[date | None, date | None],
    several: bool,
    partitions: int | None,
) -> None:
    first, last = sorted(days) if all(days) else days
    loader = CryptoLoader(table, partitions)
    coins = loader.get_crypto_names()[1::3] if several else loader.get_crypto_names()
    cut = {"max_points": max_points, "from_date": first, "to_date": last}
    frames = []
    for coin in coins:
        rows = prices[prices["coin"] == coin]
        rows = rows[rows["date"] >= pd.Timestamp(first or FIRST)]
        rows = rows[rows["date"] <= pd.Timestamp(last or LAST)]
        frames.append(rows if max_points is None else rows.tail(max_points))
    expected = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(loader.get_df(coins, **cut), expected)
    pd.testing.assert_frame_equal(loader.get_ddf(coins, **cut).compute().reset_index(), expected)
    closes = [loader.get_prices(coin, **cut) for coin in coins[:2]]
    assert np.concatenate(closes).tolist() == pd.concat(frames[:2])["close"].tolist()


DAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    "day",
    ["2026-06-01", "Jun 1, 2026", "June 1, 2026", "1 June 2026", "20260601", "2026-06-01T09:30Z",
     DAY, datetime(2026, 6, 1), datetime(2026, 6, 1, 17, 45), pd.Timestamp("2026-06-01 23:59:59"),
     np.datetime64("2026-06-01"), np.datetime64("2026-06-01T17:45"),
     datetime(2026, 6, 1, 1, tzinfo=UTC),
     datetime(2026, 6, 2, 1, tzinfo=timezone(timedelta(hours=2)))],
)  # fmt: skip
def test_both_days_are_included_in_whatever_form_they_are(table: Path, day: Any) -> None:
    loader = CryptoLoader(table)
    days = loader.get_df(from_date=day, to_date=day)["date"]
    assert set(days) == {pd.Timestamp(DAY)}
    assert loader.get_df(from_date=day)["date"].min() == pd.Timestamp(DAY)
    assert loader.get_df(to_date=day)["date"].max() == pd.Timestamp(DAY)


def test_days_without_a_row_give_an_empty_frame_of_the_same_types(loader: CryptoLoader) -> None:
    coin = loader.get_crypto_names()[0]
    for cut in ({"from_date": "2030-01-01"}, {"to_date": "2001-01-01"}):
        pd.testing.assert_frame_equal(loader.get_df(coin, **cut), empty_prices())
        assert loader.get_prices(coin, **cut).tolist() == []
        pd.testing.assert_frame_equal(
            loader.get_ddf(coin, **cut).compute().reset_index(), empty_prices()
        )


@pytest.mark.parametrize("option", ["from_date", "to_date"])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("soon", "no day in a form that is known"),
        ("", "no date"),
        ("NaT", "no day in a form"),
        ("2026-02-30", "no such day in the calendar"),
        ("09/10/2026", "day and month can't be told apart"),
        ("2026", "no day in a form"),
        (2026, "a number"),
        (20260601, "a number"),
        (float("nan"), "a number"),
        (np.int64(5), "a number"),
        (pd.NaT, "no date"),
        (np.datetime64("NaT"), "no date"),
        ([], ""),
    ],
)
def test_what_is_no_day_is_refused_with_option_value_and_advice(
    table: Path, option: str, value: Any, why: str
) -> None:
    loader = CryptoLoader(table)
    for get in (loader.get_df, loader.get_ddf):
        with pytest.raises(OptionError) as caught:
            get(**{option: value})
        message = str(caught.value)
        assert message.startswith(f"{option}: {value!r} is not a day ({why}")
        assert message.endswith("; write it as YYYY-MM-DD")


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ({"max_points": 0}, "max_points: must be at least 1, got 0"),
        ({"max_points": -5}, "max_points: must be at least 1, got -5"),
        (
            {"from_date": "2026-06-02", "to_date": "2026-06-01"},
            "from_date: 2026-06-02 is after to_date: 2026-06-01",
        ),
    ],
)
def test_a_cut_that_makes_no_sense_is_refused(table: Path, cut: dict, message: str) -> None:
    loader = CryptoLoader(table)
    coin = loader.get_crypto_names()[0]
    for get in (loader.get_prices, loader.get_df, loader.get_ddf):
        with pytest.raises(OptionError, match=message):
            get(coin, **cut)


def test_an_unknown_coin_is_named_with_those_that_are_near(loader: CryptoLoader) -> None:
    name = loader.get_crypto_names()[0]
    for get in (loader.get_prices, loader.get_df, loader.get_ddf):
        with pytest.raises(UnknownCoinError, match=rf"'{name}x': no coin .*did you mean {name}"):
            get(f"{name}x")
    with pytest.raises(UnknownCoinError, match=r"'§': .*get_crypto_names\(\) lists them"):
        loader.get_df([name, "§"])


def test_no_coin_at_all_is_refused(loader: CryptoLoader) -> None:
    with pytest.raises(UnknownCoinError, match="no coin given; name at least one, or leave it out"):
        loader.get_df([])


def test_a_coin_whose_file_gives_no_row_is_refused_by_name_with_the_reason(
    loader: CryptoLoader,
) -> None:
    for get in (loader.get_prices, loader.get_df):
        with pytest.raises(NoPricesError, match=r"Aempty\.csv: is empty; get the file again"):
            get("Aempty")
        with pytest.raises(NoPricesError, match="Mhopeless: not one row of its file can be read"):
            get("Mhopeless")


@pytest.mark.parametrize("partitions", [0, -2])
def test_fewer_than_one_partition_is_refused(table: Path, partitions: int) -> None:
    with pytest.raises(OptionError, match=f"partitions: must be at least 1, got {partitions}"):
        CryptoLoader(table, partitions)


def test_a_source_that_is_none_is_refused_with_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: does not exist; give a folder"):
        CryptoLoader(tmp_path / "nowhere")
    write_files(tmp_path, {"A.csv": "#,Name\n1,x\n"})
    with pytest.raises(SourceError, match=r"A\.csv: has no date"):
        CryptoLoader(tmp_path / "A.csv")
    with pytest.raises(SourceError, match="int: holds no prices that can be opened"):
        CryptoLoader(3)  # type: ignore[arg-type]


def test_the_path_may_be_text_or_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "prices", {"A.csv": GOOD})
    monkeypatch.chdir(tmp_path)
    loader = CryptoLoader("prices")
    monkeypatch.chdir("/")
    assert loader.get_prices("A").tolist() == [1.1, 1.5]


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_the_dask_frame_has_known_divisions_and_whole_coins(
    load: Load, prices: pd.DataFrame, partitions: int | None
) -> None:
    loader = load(partitions)
    ddf = loader.get_ddf()
    assert ddf.known_divisions
    names = loader.get_crypto_names()
    assert (ddf.divisions[0], ddf.divisions[-1]) == (names[0], names[-1])
    assert list(ddf.divisions) == sorted(ddf.divisions)
    assert ddf.npartitions == min(partitions or ddf.npartitions, len(names))
    frames = dask.compute(*ddf.to_delayed())
    held = [sorted(set(frame.index)) for frame in frames]
    assert [coin for coins in held for coin in coins] == sorted(set(prices["coin"]))
    for coins, (low, high) in zip(held, pairwise(ddf.divisions), strict=True):
        assert all(low <= coin <= high for coin in coins)
    pd.testing.assert_frame_equal(pd.concat(frames).reset_index(), prices)


def test_what_the_dask_frame_promises_is_what_it_computes(loader: CryptoLoader) -> None:
    ddf = loader.get_ddf()
    whole = ddf.compute()
    pd.testing.assert_series_equal(ddf.dtypes, whole.dtypes)
    assert ddf.index.dtype == whole.index.dtype
    assert ddf.index.name == whole.index.name == "coin"
    assert len(ddf) == len(whole)


def test_picking_a_coin_reads_one_partition(load: Load, prices: pd.DataFrame) -> None:
    ddf = load(4).get_ddf()
    for coin in sorted(set(prices["coin"])):
        picked = ddf.loc[coin]
        assert picked.npartitions == 1
        expected = prices[prices["coin"] == coin].reset_index(drop=True)
        pd.testing.assert_frame_equal(picked.compute().reset_index(), expected)


def test_work_on_whole_coins_is_the_same_on_partitions_and_on_the_frame(load: Load) -> None:
    loader = load(3)

    def momentum(frame: pd.DataFrame) -> pd.Series:
        return frame.groupby("coin")["close"].pct_change(5)

    ddf = loader.get_ddf()
    pd.testing.assert_series_equal(
        ddf.map_partitions(momentum, meta=("close", "float64")).compute(),
        momentum(loader.get_df().set_index("coin")),
    )
    pd.testing.assert_series_equal(
        ddf.groupby("coin")["close"].max().compute().sort_index(),
        loader.get_df().groupby("coin")["close"].max(),
    )


def test_nothing_is_read_before_it_is_computed(folder: Path, tmp_path: Path) -> None:
    place = import_prices(folder, tmp_path / "table", partitions=2)
    ddf = CryptoLoader(place.path).get_ddf()
    for part in place.manifest["parts"]:
        (place.path / part).unlink()
    assert ddf.npartitions == 2
    with pytest.raises(TableError, match="a part of the table can't be read"):
        ddf.compute()


def test_dask_frames_of_other_rows_have_other_names(table: Path) -> None:
    loader = CryptoLoader(table)
    coin = loader.get_crypto_names()[0]
    cuts = ({}, {"coins": coin}, {"max_points": 5}, {"max_points": 6}, {"to_date": "2026-05-01"})
    names = [loader.get_ddf(**cut)._name for cut in cuts]
    assert len(set(names)) == len(cuts)
    assert [CryptoLoader(table).get_ddf(**cut)._name for cut in cuts] == names


def test_frames_that_come_over_a_cluster_equal_those_read_here(
    table: Path, prices: pd.DataFrame
) -> None:
    # One process of its own: what comes from it was written and read again on the way.
    with Client(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as client:
        computed = client.compute(CryptoLoader(table, 3).get_ddf()).result()
    pd.testing.assert_frame_equal(computed.reset_index(), prices)


def test_the_findings_of_folder_and_table_are_equal(folder: Path, table: Path) -> None:
    found = CryptoLoader(folder).findings()
    pd.testing.assert_frame_equal(CryptoLoader(table).findings(), found)
    assert told(lost(found)) == [
        ("unreadable_file", "Aempty.csv", 0),
        ("unreadable_row", "Mhopeless.csv", 2),
    ]
    assert the_finding(found, "not_a_price_file").file == "list.csv"


def test_a_panel_holds_the_closes_of_every_coin(prices: pd.DataFrame) -> None:
    panel = to_panel(prices)
    assert list(panel.coins) == sorted(set(prices["coin"]))
    for coin, values, dates in panel:
        rows = prices[prices["coin"] == coin]
        assert values.tolist() == rows["close"].tolist()
        assert (dates == rows["date"].to_numpy()).all()
    assert len(to_panel(prices[:0])) == 0
    assert to_panel(prices[:0]).indptr.tolist() == [0]


# Gaps, bars that are shorter than a day, and policies.

GAPS: dict[str, tuple[dict[str, Any], Callable[[pd.DataFrame, str], pd.DataFrame]]] = {
    "left": ({"gaps": "leave"}, lambda frame, freq: frame),
    "of one bar filled": ({"gaps": "fill", "gap_limit": 1}, lambda f, freq: fill_gaps(f, 1, freq)),
    "all filled": ({"gaps": "fill", "gap_limit": 400}, lambda f, freq: fill_gaps(f, 400, freq)),
    "split": ({"gaps": "split"}, number_segments),
}


@pytest.mark.filterwarnings("ignore::cryptodask.errors.PriceWarning")
@pytest.mark.parametrize("what", GAPS)
def test_gaps_are_dealt_with_and_the_dask_frame_is_the_pandas_one(
    load: Load, prices: pd.DataFrame, what: str
) -> None:
    how, dealt_with = GAPS[what]
    wanted = dealt_with(prices, "1d")
    assert (how["gaps"] == "leave") == wanted.equals(prices)
    loader = load(3)
    pd.testing.assert_frame_equal(loader.get_df(**how), wanted)
    ddf = loader.get_ddf(**how)
    whole = ddf.compute()
    pd.testing.assert_frame_equal(whole.reset_index(), wanted)
    pd.testing.assert_series_equal(ddf.dtypes, whole.dtypes)
    pd.testing.assert_frame_equal(ddf._meta, whole[:0])
    nothing = loader.get_df(from_date="2030-01-01", **how)
    pd.testing.assert_frame_equal(nothing, wanted[:0])


def test_gaps_are_those_of_the_days_asked_for_and_filled_rows_count(tmp_path: Path) -> None:
    days = [1, 2, 5, 6, 10, 11]
    text = "Date,Close\n" + "".join(f"2026-01-{day:02d},{day}\n" for day in days)
    loader = CryptoLoader(write_files(tmp_path, {"A.csv": text}))
    filled = loader.get_df("A", 5, "2026-01-02", "2026-01-09", "fill", 2)
    assert filled["close"].tolist() == [2, 2, 2, 5, 6]
    assert filled["filled"].tolist() == [False, True, True, False, False]
    assert loader.get_df("A", 3, to_date="2026-01-06", gaps="fill", gap_limit=2)[
        "close"
    ].tolist() == [2, 5, 6]
    runs = loader.get_df("A", 4, from_date="2026-01-02", gaps="split")
    assert runs["run"].tolist() == [1, 1, 2, 2]  # the run of the second, of which nothing is left


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"gaps": "drop"}, "gaps: must be one of leave, fill, split, got 'drop'"),
        ({"gaps": "fill"}, "gap_limit: .*by gaps 'fill' only; got None with 'fill'"),
        ({"gap_limit": 2}, "gap_limit: .*by gaps 'fill' only; got 2 with 'leave'"),
        ({"gaps": "fill", "gap_limit": 0}, "gap_limit: must be at least 1 bar, got 0"),
    ],
)
def test_gaps_that_make_no_sense_are_refused_before_anything_is_read(
    table: Path, how: dict[str, Any], message: str
) -> None:
    loader = CryptoLoader(table)
    for get in (loader.get_df, loader.get_ddf):
        with pytest.raises(OptionError, match=message):
            get("Nocoin", **how)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two coins of 60 bars of an hour, one of which lacks three."""
    moments = pd.date_range("2026-01-01 20:00", periods=60, freq="h")
    frame = pd.DataFrame({"date": moments, "open": 1.0, "close": np.arange(1.0, 61.0)})
    whole = frame.assign(coin="A")
    some = frame.drop(index=[10, 11, 30]).assign(coin="B")
    place = write_folder(tmp_path_factory.mktemp("hours") / "folder", pd.concat([whole, some]))
    return import_prices(place, place.parent / "table", partitions=2).path


def test_days_of_hourly_bars_are_whole_days(hours: Path) -> None:
    loader = CryptoLoader(hours)
    for day in ("2026-01-02", date(2026, 1, 2), datetime(2026, 1, 2, 7, 30)):
        frame = loader.get_df("A", from_date=day, to_date=day)
        assert frame["date"].tolist() == list(pd.date_range("2026-01-02", periods=24, freq="h"))
        ddf = loader.get_ddf("A", from_date=day, to_date=day).compute()
        pd.testing.assert_frame_equal(ddf.reset_index(), frame)
    assert loader.get_prices("A", to_date="2026-01-01").tolist() == [1, 2, 3, 4]
    assert loader.get_df("A", from_date="2026-01-04")["date"].dt.hour.tolist() == [*range(8)]
    assert len(loader.get_df("A", from_date="2026-01-02", to_date="2026-01-03")) == 48


@pytest.mark.parametrize("what", GAPS)
def test_gaps_of_hours_are_dealt_with_in_hours(hours: Path, what: str) -> None:
    how, dealt_with = GAPS[what]
    loader = CryptoLoader(hours)
    assert loader.freq == "1h"
    frame = loader.get_df()
    wanted = dealt_with(frame, "1h")
    pd.testing.assert_frame_equal(loader.get_df(**how), wanted)
    pd.testing.assert_frame_equal(loader.get_ddf(**how).compute().reset_index(), wanted)
    if how["gaps"] == "fill":
        assert wanted["filled"].sum() == (1 if how["gap_limit"] == 1 else 3)
    if how["gaps"] == "split":
        assert wanted.groupby("coin")["run"].max().to_dict() == {"A": 0, "B": 2}


def test_a_panel_of_hours_goes_on_hour_by_hour(hours: Path) -> None:
    frame = CryptoLoader(hours).get_df()
    panel = to_panel(frame, "1h")
    assert panel.step == step_of("1h")
    assert (
        panel.future_dates(2)[0] == pd.to_datetime(["2026-01-04 08:00", "2026-01-04 09:00"])
    ).all()
    assert (np.diff(panel.times[:60]) == 1).all()


ODD = (
    HEADER + "\n2026-01-01,1,2,0.5,1.5,0,9\n2026-01-02,1,2,0.5,1.5,7,9\n"
    "2026-01-03,1,2,0.5,1.5,-,9\n2026-01-03,1,2,0.5,1.6,7,9\n2026-01-06,3,2,0.5,1.5,7,9\n"
    "2026-01-07,1,2,0.5,soon,7,9\n"
)
POLICIES = {
    "zero_volume": "repair", "missing_value": "drop", "conflicting_row": "repair",
    "outside_range": "repair",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::cryptodask.errors.PriceWarning")
def test_a_folder_is_read_by_policies_and_its_table_remembers_them(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "in", {"A.csv": ODD, "B.csv": GOOD, "list.csv": "#,a\n1,2\n"})
    options = ReadOptions(policies=POLICIES)
    table = import_prices(folder, tmp_path / "table", options=options)
    assert table.policies == {
        "conflicting_row": "repair:last", "missing_value": "drop", "zero_volume": "repair:missing",
        "outside_range": "repair:widen",
    }  # fmt: skip
    rows = CryptoLoader(table.path).get_df("A")
    values = rows[["close", "high", "volume"]].fillna(-1.0)
    assert [list(row) for row in values.itertuples(index=False)] == [
        [1.5, 2.0, -1.0], [1.5, 2.0, 7.0], [1.6, 2.0, 7.0], [1.5, 3.0, 7.0],
    ]  # fmt: skip
    found = table.findings()
    assert told(found[found["coin"] == "A"], "kind", "line", "action") == [
        ("layout", 0, ""), ("zero_volume", 2, "repair:missing"), ("missing_value", 4, "drop"),
        ("gap", 5, "keep"), ("outside_range", 6, "repair:widen"), ("unreadable_row", 7, "drop"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(CryptoLoader(folder, options=options).get_df("A"), rows)
    plain = import_prices(folder, tmp_path / "plain")
    assert plain.policies == {}
    assert CryptoLoader(plain.path).get_df("A")["close"].tolist() == [1.5, 1.5, 1.5, 1.5]


# Kind -> files that have one, and how the first is named.
FAILING: dict[str, tuple[dict[str, str | bytes], str]] = {
    "not_a_price_file": ({"list.csv": "#,a\n1,2\n"}, r"list\.csv, list"),
    "unreadable_file": ({"Empty.csv": ""}, r"Empty\.csv, Empty"),
    "contradicting_file": (
        {"Z.csv": GOOD, "z.csv": GOOD.replace("1.5,", "9,")}, r"z\.csv, line 2, Z, 2017-09-22",
    ),
    "merged_file": ({"Z.csv": GOOD, "z.csv": GOOD}, r"z\.csv, Z"),
    "repeated_row": ({"Z.csv": GOOD + GOOD.splitlines()[1]}, r"Z\.csv, line 4, Z, 2017-09-22"),
    "unreadable_row": ({"Z.csv": ODD}, r"Z\.csv, line 7, Z, 2026-01-07"),
    "conflicting_row": ({"Z.csv": ODD}, r"Z\.csv, line 5, Z, 2026-01-03"),
    "missing_value": ({"Z.csv": ODD}, r"Z\.csv, line 4, Z, 2026-01-03"),
    "zero_volume": ({"Z.csv": ODD}, r"Z\.csv, line 2, Z, 2026-01-01"),
    "gap": ({"Z.csv": ODD}, r"Z\.csv, line 4, Z, 2026-01-03"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAILING)
def test_an_import_that_a_policy_does_not_let_pass_names_the_file_and_leaves_no_table(
    tmp_path: Path, kind: str
) -> None:
    files, named = FAILING[kind]
    sound = {f"C{i}.csv": GOOD.replace("-", "5") for i in range(3)}
    folder = write_files(tmp_path / "in", sound | files)
    options = ReadOptions(policies={kind: "fail"})
    for partitions in (1, 5):
        with pytest.raises(PolicyError, match=f"^{named}: {kind}.*the policy for it is to fail"):
            import_prices(folder, tmp_path / "table", options=options, partitions=partitions)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert import_prices(folder, tmp_path / "table").coins[0] == "C0"


def test_an_import_over_a_table_that_a_policy_does_not_let_pass_leaves_the_old_one(
    tmp_path: Path,
) -> None:
    folder = write_files(tmp_path / "in", {"A.csv": GOOD})
    table = import_prices(folder, tmp_path / "table")
    had = {file: file.read_bytes() for file in table.path.iterdir()}
    write_files(folder, {"Z.csv": ODD})
    with pytest.raises(PolicyError, match="zero_volume"):
        import_prices(
            folder,
            table.path,
            overwrite=True,
            options=ReadOptions(policies={"zero_volume": "fail"}),
        )
    assert {file: file.read_bytes() for file in table.path.iterdir()} == had


@pytest.mark.slow
def test_dask_ml_learns_from_the_dask_frame_what_scikit_learn_learns_from_pandas(
    table: Path,
) -> None:
    pytest.importorskip("dask_ml", reason="dask-ml comes with the extra 'ml'")
    from dask_ml.linear_model import LinearRegression
    from sklearn.linear_model import LinearRegression as OneMachine

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        """Return of the day, of the day before, and the day's range; whole coins only."""
        log = np.log(frame[["close", "high", "low"]])
        today = log.groupby("coin")["close"].diff()
        before = today.groupby("coin").shift()
        return pd.DataFrame(
            {"before": before, "range": log["high"] - log["low"], "today": today}
        ).dropna()

    loader = CryptoLoader(table, 3)
    rows = loader.get_ddf().map_partitions(features)
    x = rows[["before", "range"]].to_dask_array(lengths=True)
    # Newton's method solves least squares exactly; the default, ADMM, stops on the way.
    model = LinearRegression(solver="newton").fit(x, rows["today"].to_dask_array(lengths=True))

    local = features(loader.get_df().set_index("coin"))
    inputs = local[["before", "range"]].to_numpy()
    expected = OneMachine().fit(inputs, local["today"].to_numpy())
    assert abs(expected.coef_).min() > 0.01
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-6)
    np.testing.assert_allclose(
        model.predict(x).compute(), expected.predict(inputs), rtol=1e-6, atol=1e-12
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    """Prices and findings of the hundred coins of September 2017, by way of a table."""
    if not REAL_DATA.is_dir():
        pytest.skip("needs the files of ../shared/data/crypto-prices-2017, which are not here")
    table = import_prices(REAL_DATA, tmp_path_factory.mktemp("real") / "table")
    return CryptoLoader(table.path).get_df(), table.findings()


def read_real_file(path: Path) -> pd.DataFrame:
    """Read a file in another way: pandas' reader, and Python's for the days."""
    raw = pd.read_csv(path, thousands=",", na_values="-")
    for form in ("%b %d, %Y", "%B %d, %Y"):
        texts = raw["Date"].astype(str)
        days = pd.to_datetime(texts, format=form, errors="coerce")
        raw["day"] = days if "day" not in raw else raw["day"].fillna(days)
    serial = pd.to_numeric(texts, errors="coerce")
    raw["day"] = raw["day"].fillna(pd.Timestamp("1899-12-30") + pd.to_timedelta(serial, unit="D"))
    return raw.sort_values("day", ignore_index=True)


def test_every_real_row_is_read(real: Real) -> None:
    prices, found = real
    assert len(prices) == 80_553
    assert prices["coin"].nunique() == 100
    assert lost(found).empty
    assert not prices.duplicated(["coin", "date"]).any()
    assert (prices["close"] > 0).all()


def test_every_real_value_is_that_of_another_reader(
    real: Real,
) -> None:
    prices, _ = real
    for coin, rows in prices.groupby("coin"):
        raw = read_real_file(REAL_DATA / f"{coin}.csv")
        assert rows["date"].tolist() == raw["day"].tolist()
        columns = ["Open", "High", "Low", "Close", "Volume", "Market Cap"]
        np.testing.assert_array_equal(rows.iloc[:, 2:].to_numpy(), raw[columns].to_numpy(float))


def test_what_is_odd_in_the_real_files_is_told(real: Real) -> None:
    prices, found = real
    counts = dict(told(summarize_findings(found), "kind", "count"))
    assert counts == {
        "not_a_price_file": 1,
        "serial_date": 1,
        "missing_value": 3_031,
        "gap": 94,
        "stale_run": 50,
        "zero_volume": 363,
        "outside_range": 1,
        "large_move": 264,
        "reverting_jump": 26,
        "layout": 100,
    }
    assert prices.isna().sum().sum() == 3_031
    assert the_finding(found, "not_a_price_file").file == "100 List.csv"
    row = the_finding(found, "serial_date")
    assert (row.file, row.line, row.value) == ("Monero.csv", 909, "42093")
    assert row.date == pd.Timestamp("2015-03-30")
    gaps = found.loc[found["kind"] == "gap", "value"].astype(int)
    assert (gaps.sum(), gaps.max()) == (526, 86)


def test_the_real_files_and_their_table_are_the_same(real: Real) -> None:
    pd.testing.assert_frame_equal(CryptoLoader(REAL_DATA, 7).get_df(), real[0])
