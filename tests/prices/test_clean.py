import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.prices.clean import keep_one_row_a_day
from tests.prices.conftest import Row, kept, rows, the_finding, told

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
    assert "A.csv, which tells a close of 5 on 2017-01-01; this file tells 5.5" in row.message
    assert "rename or remove" in row.message
    assert len(found) == 1


def test_a_contradiction_in_another_column_names_that_column() -> None:
    frame = rows(("A", "A.csv", 2, 1, 5.0), ("A", "a.csv", 2, 1, 5.0), volume=[3.0, 4.0])
    message = the_finding(keep_one_row_a_day(frame)[1], "contradicting_file").message
    assert "tells a volume of 3 on 2017-01-01; this file tells 4" in message


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
