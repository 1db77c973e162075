"""Columns of a user's own: every way to read them, and how they are joined with prices."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import OptionError
from cryptodask.prices import CryptoLoader, PriceTable, ReadOptions, import_prices
from cryptodask.prices.own import add_own, check_own, merge_own
from cryptodask.prices.row_filter import RowFilter
from cryptodask.records import Panel
from cryptodask.worker.job import Job, embed_prices
from cryptodask.worker.read import read_panel

SIGNAL, DAYS = "Ünlead Signal", 20
COLUMNS = (f"column:{SIGNAL}", f"ahead:{SIGNAL}:2", "static:kind=DeFi", "static:launched")
OPTIONS = ReadOptions(further=(SIGNAL,), facts=("kind", "launched"))


def long_frame() -> pd.DataFrame:
    """Three coins, of which each has two more dates without a close."""
    rng = np.random.default_rng(3)
    frames = [
        pd.DataFrame(
            {
                "coin": coin,
                "date": pd.date_range("2024-01-01", periods=DAYS + 2),
                "close": [*np.exp(rng.normal(0, 0.1, DAYS).cumsum()), np.nan, np.nan],
                SIGNAL: rng.normal(size=DAYS + 2),
                "kind": kind,
                "launched": launched,
            }
        )
        for coin, kind, launched in (("A", "DeFi", 2015), ("B", "L1", 2017), ("C c", "DeFi", 2016))
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame.loc[4, SIGNAL] = np.nan
    return frame


def files_of(frame: pd.DataFrame, folder: Path) -> Path:
    """A folder with a CSV of each coin."""
    folder.mkdir()
    for coin, rows in frame.groupby("coin"):
        rows.drop(columns="coin").to_csv(folder / f"{coin}.csv", index=False)
    return folder


def grown(frame: pd.DataFrame, folder: Path) -> Path:
    """A table of an import and two appends, the last of which corrects."""
    wrong = frame.assign(**{SIGNAL: frame[SIGNAL].mask(frame.index == 3, 99.0)})
    early = frame["date"] < "2024-01-10"
    table = import_prices(wrong[early], folder, options=OPTIONS)
    table.append(frame[frame["date"] >= "2024-01-08"])
    result = table.append(frame[early])
    assert result.findings.query("kind == 'corrected_row'")["coin"].tolist() == ["A"]
    return folder


def compacted(frame: pd.DataFrame, folder: Path) -> Path:
    """The same, compacted."""
    table = PriceTable(grown(frame, folder))
    table.compact(2)
    assert not table.manifest["deltas"]
    return folder


def long_file(frame: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    frame.to_csv(folder / "all.csv", index=False)
    return folder


def parquet(frame: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    frame.to_parquet(folder / "all.parquet")
    return folder


def polars(frame: pd.DataFrame, folder: Path) -> Any:
    del folder
    return pytest.importorskip("polars").from_pandas(frame)


def dask(frame: pd.DataFrame, folder: Path) -> Any:
    import dask.dataframe as dd

    del folder
    return dd.from_pandas(frame, npartitions=3)


def table_of(frame: pd.DataFrame, folder: Path) -> Path:
    import_prices(frame, folder, options=OPTIONS)
    return folder


WAYS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "frame": lambda frame, _: frame,
    "polars": polars,
    "dask": dask,
    "files": files_of,
    "long file": long_file,
    "parquet": parquet,
    "table": table_of,
    "grown table": grown,
    "compacted table": compacted,
}


def panels_of(source: Any, n: int | None = None, columns: Any = COLUMNS) -> dict[str, Any]:
    """What a model sees of each coin."""
    opened = CryptoLoader(source).source.with_own(columns)
    every = RowFilter.of(None, None, None)
    panels = [read_panel(p, every, columns=columns)[0] for p in opened.partitions(opened.coins, n)]
    return {
        coin: {name: np.split(panel.extra[name], panel.indptr[1:-1])[i] for name in columns}
        for panel in panels
        for i, coin in enumerate(panel.coins)
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n", [None, 2])
def test_every_source_has_the_same_columns(way: str, n: int | None, tmp_path: Path) -> None:
    frame = long_frame()
    found = panels_of(WAYS[way](frame, tmp_path / "there"), n)
    assert list(found) == ["A", "B", "C c"]
    for coin, rows in frame.groupby("coin"):
        signal = rows[SIGNAL].to_numpy()
        kind, launched = rows["kind"].iloc[0], rows["launched"].iloc[0]
        expected = (signal[:DAYS], signal[2:], kind == "DeFi", launched)
        for name, values in zip(COLUMNS, expected, strict=True):
            np.testing.assert_array_equal(found[coin][name], np.broadcast_to(values, DAYS))


def test_prices_travel_with_their_columns(tmp_path: Path) -> None:
    source = CryptoLoader(table_of(long_frame(), tmp_path / "there")).source.with_own(COLUMNS)
    [held] = embed_prices(Job(tuple(source.partitions(source.coins, 1)))).partitions
    panel = read_panel(held, RowFilter.of(None, None, None), columns=COLUMNS)[0]
    assert np.isfinite(panel.extra["ahead:Ünlead Signal:2"]).sum() == 3 * DAYS - 1


@pytest.mark.parametrize("way", ["frame", "files", "table", "dask"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(way: str, tmp_path: Path) -> None:
    source = CryptoLoader(WAYS[way](long_frame(), tmp_path / "there")).source
    with pytest.raises(OptionError, match=r"column 'fear': .*no such column.*'Ünlead Signal'"):
        source.with_own(["column:fear"])


def test_a_file_without_the_column_is_reported_and_its_coin_has_none(tmp_path: Path) -> None:
    folder = files_of(long_frame(), tmp_path / "there")
    pd.read_csv(folder / "B.csv").drop(columns=SIGNAL).to_csv(folder / "B.csv", index=False)
    found = panels_of(folder)
    assert np.isnan(found["B"][COLUMNS[0]]).all()
    assert np.isfinite(found["A"][COLUMNS[0]]).sum() == DAYS - 1
    findings = CryptoLoader(folder).source.with_own(COLUMNS).findings()
    missing = findings[findings["kind"] == "missing_column"]
    assert missing[["file", "value"]].to_numpy().tolist() == [["B.csv", SIGNAL]]


def test_cells_that_are_not_numbers_are_reported_by_line(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    lines = ["date,close,x", "2024-01-01,1,0.5", "2024-01-02,2,high", "2024-01-03,3,inf",
             "2024-01-04,4,", "2024-01-05,5,True", "2024-01-06,6,-"]  # fmt: skip
    (folder / "A.csv").write_text("\n".join(lines))
    values = panels_of(folder, columns=("column:x",))["A"]["column:x"]
    np.testing.assert_array_equal(values, [0.5, np.nan, np.nan, np.nan, 1.0, np.nan])
    findings = CryptoLoader(folder).source.with_own(["column:x"]).findings()
    bad = findings[findings["kind"] == "unreadable_value"]
    assert bad[["line", "value"]].to_numpy().tolist() == [[3, "high"], [4, "inf"]]


def test_a_fact_must_be_the_same_on_all_dates() -> None:
    frame = long_frame()
    frame.loc[7, "kind"] = "L2"
    found = panels_of(frame)
    assert np.isnan(found["A"]["static:kind=DeFi"]).all()
    assert (found["C c"]["static:kind=DeFi"] == 1).all()


@pytest.mark.parametrize(
    ("facts", "numbers"),
    [
        ((0.5, 1.5, 2.5), (0.5, 1.5, 2.5)),
        ((2015, 0.25, 2016), (2015, 0.25, 2016)),
        (("L1", "DeFi", "DeFi"), (np.nan,) * 3),
        (("0.5", "high", "inf"), (0.5, np.nan, np.nan)),
    ],
)
def test_a_fact_with_a_fraction_is_a_number_and_a_text_is_missing(
    facts: tuple[object, ...], numbers: tuple[float, ...]
) -> None:
    frame = long_frame()
    frame["launched"] = np.repeat(np.array(facts, dtype=object), DAYS + 2)
    found = panels_of(frame, columns=("static:launched",))
    for coin, number in zip(("A", "B", "C c"), numbers, strict=True):
        np.testing.assert_array_equal(found[coin]["static:launched"], number)


def test_rows_of_one_date_that_differ_are_reported_and_the_first_counts() -> None:
    rows = pd.DataFrame({"coin": "A", "date": pd.to_datetime(["2024-01-01"] * 3)})
    rows = rows.assign(file="f", line=[2, 3, 4], x=[np.nan, 1.0, 2.0])
    merged, findings = merge_own(rows)
    assert merged["x"].tolist() == [1.0]
    assert findings[["kind", "line", "value"]].to_numpy().tolist() == [
        ["conflicting_row", 4, "2.0"]
    ]


@pytest.mark.parametrize(
    ("further", "facts", "rule"),
    [
        (["close"], [], "is one of every table"),
        (["x"], ["x"], "is asked for twice"),
        ([" x"], [], "without spaces around it"),
        ([""], [], "must be a text"),
    ],
)
def test_names_that_can_not_be_are_refused(further: list[str], facts: list[str], rule: str) -> None:
    with pytest.raises(OptionError, match=rule):
        check_own(further, facts)
    with pytest.raises(OptionError, match=rule):
        ReadOptions(further=tuple(further), facts=tuple(facts))


def test_of_no_rows_all_is_missing() -> None:
    panel = Panel.from_series([("A", [1.0, 2.0], ["2024-01-01", "2024-01-02"])])
    joined = add_own(panel, None, ("volume", "column:x", "static:y"))
    assert sorted(joined.extra) == ["column:x", "static:y"]
    assert all(np.isnan(column).all() for column in joined.extra.values())


def test_a_table_says_which_columns_it_left_out(tmp_path: Path) -> None:
    table = import_prices(long_frame(), tmp_path / "there")
    findings = table.findings()
    left_out = findings[findings["kind"] == "column_left_out"]
    assert left_out["value"].tolist() == [SIGNAL, "kind", "launched"]
    with pytest.raises(OptionError, match=re.escape("further columns there: none")):
        table.with_own(COLUMNS)
