import pandas as pd
import pytest

from cryptodask.prices.clean.findings import (
    FINDING_COLUMNS,
    FINDING_KINDS,
    LOSING_KINDS,
    empty_findings,
    file_finding,
    findings,
    join_findings,
    lost,
    summarize_findings,
)
from tests.prices.conftest import told

ROWS = pd.DataFrame(
    {
        "coin": ["B", "A"],
        "file": ["B.csv", "A.csv"],
        "line": [7, 2],
        "date": pd.to_datetime(["2017-09-22", None]),
    },
    index=[5, 9],
)


def test_findings_have_a_row_for_each_row_and_one_or_many_values() -> None:
    many = findings("gap", ROWS, value=pd.Series(["3", "4"], index=[5, 9]), message="days missing")
    assert told(many, *FINDING_COLUMNS[:4], "value", "message") == [
        ("gap", "B", "B.csv", 7, "3", "days missing"),
        ("gap", "A", "A.csv", 2, "4", "days missing"),
    ]
    assert many["date"].isna().tolist() == [False, True]
    assert told(findings("gap", ROWS, value="x"), "value", "message") == [("x", ""), ("x", "")]


def test_a_finding_of_a_whole_file_has_line_0_and_no_date() -> None:
    one = file_finding("unreadable_file", "A", "A.csv", "is empty")
    assert told(one, "kind", "coin", "file", "line", "message") == [
        ("unreadable_file", "A", "A.csv", 0, "is empty")
    ]
    assert one["date"].isna().all()
    at = file_finding("contradicting_file", "A", "a.csv", "differs", line=3)
    assert told(at) == [("contradicting_file", "a.csv", 3)]


def test_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(KeyError, match="oddity"):
        findings("oddity", ROWS)
    with pytest.raises(KeyError, match="oddity"):
        findings("oddity", ROWS[:0])


def test_every_findings_table_has_the_same_columns_and_types() -> None:
    types = empty_findings().dtypes
    assert list(types.index) == list(FINDING_COLUMNS)
    assert {str(types["line"]), str(types["date"])} == {"int64", "datetime64[s]"}
    for table in (
        findings("gap", ROWS),
        findings("gap", ROWS[:0]),
        file_finding("gap", "A", "A.csv", "m"),
        join_findings([]),
        join_findings([findings("gap", ROWS), file_finding("gap", "A", "A.csv", "m")]),
    ):
        pd.testing.assert_series_equal(table.dtypes, types)


def test_an_empty_table_is_nobody_elses() -> None:
    mine = empty_findings()
    mine.insert(0, "more", "x")
    assert list(empty_findings().columns) == list(FINDING_COLUMNS)


def test_joined_findings_are_in_order_of_coin_file_and_line_and_of_arrival() -> None:
    late = findings("zero_volume", ROWS)
    early = findings("missing_value", ROWS, message="volume")
    others = [file_finding("gap", "A", name, "") for name in ("a.csv", "A.csv")]
    joined = join_findings([late, empty_findings(), early, *others])
    assert told(joined) == [
        ("gap", "A.csv", 0),
        ("zero_volume", "A.csv", 2),
        ("missing_value", "A.csv", 2),
        ("gap", "a.csv", 0),
        ("zero_volume", "B.csv", 7),
        ("missing_value", "B.csv", 7),
    ]


def test_the_summary_counts_findings_and_coins_in_the_order_of_kinds() -> None:
    one_coin = findings("zero_volume", pd.concat([ROWS[:1], ROWS[:1]]))
    table = join_findings([one_coin, findings("unreadable_row", ROWS)])
    summary = summarize_findings(table)
    assert told(summary, "kind", "count", "coins", "meaning") == [
        ("unreadable_row", 2, 2, FINDING_KINDS["unreadable_row"].meaning),
        ("zero_volume", 2, 1, FINDING_KINDS["zero_volume"].meaning),
    ]
    assert summarize_findings(empty_findings()).empty


def test_only_findings_that_cost_rows_or_files_count_as_lost() -> None:
    every = join_findings([findings(kind, ROWS[:1]) for kind in FINDING_KINDS])
    assert sorted(lost(every)["kind"]) == [
        "conflicting_row",
        "contradicting_file",
        "delisted",
        "future_date",
        "nonpositive_close",
        "not_fetched",
        "unreadable_file",
        "unreadable_row",
        "unreadable_value",
    ]
    assert set(lost(every)["kind"]) == set(LOSING_KINDS)
    assert all(kind.meaning for kind in FINDING_KINDS.values())
