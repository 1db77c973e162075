from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import PolicyError
from cryptodask.prices.clean.cleaning import keep_one_row_a_day
from cryptodask.prices.clean.findings import FINDING_KINDS, lost
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.read.price_file import PriceFile
from cryptodask.prices.read.readers import read_price_files
from cryptodask.prices.reading import Reading
from tests.prices.conftest import (
    Row,
    clean_frame,
    kept,
    listing,
    rows,
    the_finding,
    told,
    write_files,
)

few = settings(max_examples=40, deadline=None)


def test_rows_come_out_by_coin_and_date_whatever_their_order() -> None:
    frame = rows(("B", "B.csv", 2, 3, 3.0), ("A", "A.csv", 2, 9, 9.0), ("A", "A.csv", 3, 8, 8.0))
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "A.csv", 3, 8.0), ("A", "A.csv", 2, 9.0), ("B", "B.csv", 2, 3.0)]
    assert found.empty


def test_a_day_told_twice_with_the_same_values_is_kept_once() -> None:
    clean, found = keep_one_row_a_day(rows(("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 9, 1, 5.0)))
    assert kept(clean) == [("A", "A.csv", 2, 5.0)]
    assert told(found, "kind", "line", "value") == [("repeated_row", 9, "5")]


def test_a_missing_value_equals_a_missing_value() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 9, 1, 5.0), volume=np.nan)
    assert told(keep_one_row_a_day(frame)[1]) == [("repeated_row", "A.csv", 9)]


def test_of_a_day_told_twice_with_other_values_the_first_line_is_kept_and_the_other_named() -> None:
    clean, found = keep_one_row_a_day(rows(("A", "A.csv", 9, 1, 7.0), ("A", "A.csv", 2, 1, 5.0)))
    assert kept(clean) == [("A", "A.csv", 2, 5.0)]
    row = the_finding(found, "conflicting_row")
    assert (row.file, row.line, row.value, f"{row.date:%Y-%m-%d}") == (
        "A.csv", 9, "7", "2017-01-01",
    )  # fmt: skip


def test_a_second_file_that_agrees_is_merged_and_adds_its_days() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.0), ("A", "a.csv", 3, 2, 6.0)
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "A.csv", 2, 5.0), ("A", "a.csv", 3, 6.0)]
    row = the_finding(found, "merged_file")
    assert (row.file, row.message) == ("a.csv", "merged with A.csv: 1 days are new")
    assert len(found) == 1


def test_the_first_file_by_name_is_the_one_merged_with_whichever_begins_earlier() -> None:
    frame = rows(
        ("A", "A.csv", 2, 2, 5.0), ("A", "a.csv", 2, 1, 4.0), ("A", "a.csv", 3, 2, 5.0)
    )  # fmt: skip
    row = the_finding(keep_one_row_a_day(frame)[1], "merged_file")
    assert (row.file, row.message) == ("a.csv", "merged with A.csv: 1 days are new")


def test_a_second_file_that_contradicts_is_left_out_whole_and_the_values_are_told() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.5), ("A", "a.csv", 3, 2, 6.0),
        ("B", "a.csv", 4, 2, 8.0),
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "A.csv", 2, 5.0), ("B", "a.csv", 4, 8.0)]
    row = the_finding(found, "contradicting_file")
    assert (row.coin, row.file, row.line) == ("A", "a.csv", 2)
    assert "A.csv, which has a close of 5 on 2017-01-01; this file has 5.5" in row.message
    assert "rename or remove" in row.message
    assert len(found) == 1


def test_a_contradiction_in_another_column_names_that_column() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.0), volume=[3.0, 4.0])
    message = the_finding(keep_one_row_a_day(frame)[1], "contradicting_file").message
    assert "has a volume of 3 on 2017-01-01; this file has 4" in message


def test_a_file_that_contradicts_only_a_file_that_is_left_out_is_kept() -> None:
    frame = rows(
        ("A", "1.csv", 2, 1, 5.0),
        ("A", "2.csv", 2, 1, 9.0), ("A", "2.csv", 3, 2, 9.0),
        ("A", "3.csv", 2, 1, 5.0), ("A", "3.csv", 3, 2, 6.0),
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "1.csv", 2, 5.0), ("A", "3.csv", 3, 6.0)]
    assert told(found, "kind", "file") == [
        ("contradicting_file", "2.csv"),
        ("merged_file", "3.csv"),
    ]


def test_every_file_that_contradicts_the_first_is_left_out() -> None:
    frame = rows(*[("A", f"{i}.csv", 2, 1, float(i)) for i in range(1, 6)])
    clean, found = keep_one_row_a_day(frame)
    assert kept(clean) == [("A", "1.csv", 2, 1.0)]
    assert told(found, "kind", "file") == [("contradicting_file", f"{i}.csv") for i in range(2, 6)]


messy = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.sampled_from(["1.csv", "2.csv", "3.csv"]),
        st.integers(1, 5),
        st.sampled_from([1.0, 2.0]),
    ),
    max_size=25,
)


@few
@given(messy)
def test_every_row_is_kept_once_or_accounted_for(cells: list[tuple[str, str, int, float]]) -> None:
    frame = rows(*[(coin, file, i, day, close) for i, (coin, file, day, close) in enumerate(cells)])
    clean, found = keep_one_row_a_day(frame)
    keys = clean[["coin", "date"]]
    assert not keys.duplicated().any()
    pd.testing.assert_frame_equal(keys, keys.sort_values(["coin", "date"], ignore_index=True))

    out = set(told(found, "coin", "file", kind="contradicting_file"))
    single = {
        *told(found, "line", kind="repeated_row"),
        *told(found, "line", kind="conflicting_row"),
    }
    merged = set(told(found, "coin", "file", kind="merged_file"))
    values = {(row.coin, row.date): row.close for row in clean.itertuples()}
    lines = set(clean["line"])
    for row in frame.itertuples():
        if row.line in lines:
            assert (row.coin, row.file) not in out
        elif (row.coin, row.file) not in out and (row.line,) not in single:
            assert (row.coin, row.file) in merged
            assert values[row.coin, row.date] == row.close


@few
@given(messy, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(
    cells: list[tuple[str, str, int, float]], random
) -> None:
    frame = rows(*[(coin, file, i, day, close) for i, (coin, file, day, close) in enumerate(cells)])
    order = random.sample(range(len(frame)), len(frame))
    pairs = zip(keep_one_row_a_day(frame), keep_one_row_a_day(frame.iloc[order]), strict=True)
    for one, other in pairs:
        pd.testing.assert_frame_equal(one, other)


def test_rows_against_the_order_of_their_file_are_told_and_either_order_is_one() -> None:
    up: list[Row] = [("A", "A.csv", 2 + i, d, 1.0 + i) for i, d in enumerate([1, 2, 9, 3, 4])]
    down: list[Row] = [("B", "B.csv", 2 + i, d, 1.0 + i) for i, d in enumerate([9, 8, 7, 6])]
    found = keep_one_row_a_day(rows(*up, *down))[1]
    assert told(found, "kind", "coin", "line") == [("out_of_order", "A", 5)]


LAST = {"conflicting_row": "repair:last"}


def test_the_last_row_of_a_day_stands_where_the_policy_says_so() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 9, 1, 7.0), ("A", "A.csv", 4, 1, 5.0),
        ("A", "A.csv", 3, 2, 6.0),
    )  # fmt: skip
    before = frame.copy()
    clean, found = keep_one_row_a_day(frame, LAST)
    assert kept(clean) == [("A", "A.csv", 9, 7.0), ("A", "A.csv", 3, 6.0)]
    assert told(found, "kind", "line", "value") == [
        ("conflicting_row", 2, "5"), ("conflicting_row", 4, "5"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(frame, before)

    _, settled = clean_frame(frame, LAST)
    conflicts = settled[settled["kind"] == "conflicting_row"]
    assert set(conflicts["action"]) == {"repair:last"}
    assert lost(settled).empty  # what was meant is there


def test_of_rows_that_agree_with_the_last_one_nothing_is_a_conflict() -> None:
    frame = rows(("A", "A.csv", 2, 1, 7.0), ("A", "A.csv", 3, 1, 5.0), ("A", "A.csv", 4, 1, 7.0))
    clean, found = keep_one_row_a_day(frame, LAST)
    assert kept(clean) == [("A", "A.csv", 4, 7.0)]
    assert sorted(told(found, "kind", "line")) == [("conflicting_row", 3), ("repeated_row", 2)]


def test_the_last_row_is_that_of_its_file_and_the_first_file_is_still_the_first() -> None:
    frame = rows(
        ("A", "A.csv", 2, 1, 5.0), ("A", "A.csv", 9, 1, 7.0), ("A", "a.csv", 1, 1, 7.0),
        ("A", "a.csv", 2, 2, 8.0),
    )  # fmt: skip
    clean, found = keep_one_row_a_day(frame, LAST)
    assert kept(clean) == [("A", "A.csv", 9, 7.0), ("A", "a.csv", 2, 8.0)]
    assert the_finding(found, "conflicting_row").line == 2
    assert the_finding(found, "merged_file").message == "merged with A.csv: 1 days are new"
    # By default the second file tells another value than the first one.
    assert the_finding(keep_one_row_a_day(frame)[1], "contradicting_file").file == "a.csv"


@few
@given(messy)
def test_the_last_row_of_each_day_is_the_first_of_the_file_read_backwards(
    cells: list[tuple[str, str, int, float]],
) -> None:
    cells = [(coin, "1.csv", day, close) for coin, _, day, close in cells]
    frame = rows(*[(coin, file, i, day, close) for i, (coin, file, day, close) in enumerate(cells)])
    backwards = frame.assign(line=-frame["line"])
    wanted = keep_one_row_a_day(backwards)[0]
    clean = keep_one_row_a_day(frame, LAST)[0]
    pd.testing.assert_frame_equal(clean, wanted.assign(line=-wanted["line"]))


def test_rows_against_the_order_of_their_file_are_left_out_where_the_policy_says_so() -> None:
    up: list[Row] = [("A", "A.csv", 2 + i, d, 1.0 + i / 10) for i, d in enumerate([1, 2, 9, 3, 4])]
    other: list[Row] = [("B", "A.csv", 5, 2, 1.0)]  # another coin, at the line that is left out
    left, found = clean_frame(rows(*up, *other), {"out_of_order": "drop"})
    assert left["line"].tolist() == [2, 3, 6, 4, 5]
    assert told(found, "kind", "coin", "line", "action") == [
        ("gap", "A", 3, "keep"), ("out_of_order", "A", 5, "drop"), ("gap", "A", 6, "keep"),
    ]  # fmt: skip
    left, found = clean_frame(rows(*up), {})
    assert left["line"].tolist() == [2, 3, 5, 6, 4]
    assert told(found, "line", "action", kind="out_of_order") == [(5, "repair:sort")]
    with pytest.raises(PolicyError, match=r"A\.csv, line 5, A, 2017-01-03: out_of_order \(dated"):
        clean_frame(rows(*up), {"out_of_order": "fail"})


# Lines 2 to 8: each but the first has what no other has.
MIXED = listing(
    '"Sep 22, 2017",1,2,0.5,1.5,1000,2000',
    "42999,1,2,0.5,1.4,1000,2000",
    '"Sep 20, 2017",1,2,0.5,1.3,-,2000',
    '"Sep 19, 2017",0,2,0.5,1.2,1000,2000',
    '"Sep 18, 2017",1,2,0.5,0,1000,2000',
    '"Sep 17, 2017",1,2,0.5,many,1000,2000',
    '"Sep 16, 2017",,,,,,',
    '"Sep 16, 2017",1,2,0.5,1.1,1000,2000',
)
AS_READ = {
    "serial_date": 3, "missing_value": 4, "nonpositive_value": 5, "nonpositive_close": 6,
    "unreadable_row": 7, "blank_row": 8,
}  # fmt: skip


def read(folder: Path, **policies: str) -> Reading:
    # A second coin of the same lines, all of them sound, must lose nothing.
    sound = listing(*[f"2017-09-{22 - i},1,2,0.5,1.{i},1000,2000" for i in range(7)])
    write_files(folder, {"A.csv": MIXED, "B.csv": sound})
    files = [PriceFile(coin, folder / f"{coin}.csv") for coin in "AB"]
    reading = read_price_files(files, ReadOptions(policies=policies))
    assert (reading.prices["coin"] == "B").sum() == 7
    return reading


@pytest.mark.parametrize("kind", AS_READ)
def test_a_row_that_was_read_is_left_out_where_the_policy_says_so(
    tmp_path: Path, kind: str
) -> None:
    lines = {day: line for line, day in zip([2, 3, 4, 5, 9], [22, 21, 20, 19, 16], strict=True)}
    by_default = read(tmp_path)
    assert by_default.prices["date"][by_default.prices["coin"] == "A"].dt.day.tolist() == [
        16, 19, 20, 21, 22,
    ]  # fmt: skip
    reading = read(tmp_path, **{kind: "drop"})
    days = reading.prices["date"][reading.prices["coin"] == "A"].dt.day
    assert {lines[day] for day in days} == {2, 3, 4, 5, 9} - {AS_READ[kind]}
    assert told(reading.findings, "line", "action", kind=kind) == [(AS_READ[kind], "drop")]
    gaps = {
        "serial_date": [(4, "1"), (9, "2")], "missing_value": [(5, "1"), (9, "2")],
        "nonpositive_value": [(9, "3")],
    }  # fmt: skip
    assert told(reading.findings, "line", "value", kind="gap") == gaps.get(kind, [(9, "2")])


@pytest.mark.parametrize("kind", AS_READ)
def test_a_row_that_was_read_is_an_error_where_the_policy_says_so(
    tmp_path: Path, kind: str
) -> None:
    with pytest.raises(PolicyError, match=rf"^A\.csv, line {AS_READ[kind]}, A, 2017-09-.*: {kind}"):
        read(tmp_path, **{kind: "fail"})


def test_every_value_of_a_kind_that_is_read_has_a_default_that_is_told(tmp_path: Path) -> None:
    found = read(tmp_path).findings
    assert {kind: the_finding(found, kind).action for kind in AS_READ} == {
        kind: FINDING_KINDS[kind].actions[0] for kind in AS_READ
    }
