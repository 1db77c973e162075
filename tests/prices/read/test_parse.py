import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.clocks import in_24_hours
from cryptodask.prices.read.days import DAY_FIRST, MONTH_FIRST, day_month_order, parse_days
from cryptodask.prices.read.numbers import (
    MISSING,
    find_number_style,
    has_comma_decimals,
    parse_numbers,
    with_points,
    without_suffix,
)
from cryptodask.prices.read.stamps import (
    bar_seconds,
    is_epoch,
    parse_epochs,
    parse_stamps,
)
from tests.prices.conftest import MONTHS

LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

DAY_FORMS: dict[str, Callable[[date], str]] = {
    "Sep 02, 2017": lambda d: f"{MONTHS[d.month - 1]} {d.day:02d}, {d.year}",
    "September 2, 2017": lambda d: f"{LONG_MONTHS[d.month - 1]} {d.day}, {d.year}",
    "SEPTEMBER 2 2017": lambda d: f"{LONG_MONTHS[d.month - 1].upper()} {d.day} {d.year}",
    "02-Sep-2017": lambda d: f"{d.day:02d}-{MONTHS[d.month - 1]}-{d.year}",
    "2 September 2017": lambda d: f"{d.day} {LONG_MONTHS[d.month - 1]} {d.year}",
    "2017-09-02": lambda d: d.isoformat(),
    "2017/9/2": lambda d: f"{d.year}/{d.month}/{d.day}",
    "2017.09.02": lambda d: f"{d:%Y.%m.%d}",
    "20170902": lambda d: f"{d:%Y%m%d}",
}
TIMES = ("T00:00:00.000Z", " 00:00:00", " 23:59:59 UTC", "T23:59:59.999Z", " 8:05", " 12:00+00:00")

few = settings(max_examples=40, deadline=None)
fewer = settings(max_examples=15, deadline=None)
known_days = st.dates(date(1900, 1, 1), date(2100, 12, 31))
# What Arrow's strings, and so a file, can hold; and cells that are nearly numbers or days.
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
nearly_numbers = st.text("0123456789,.+-eE$ \u0663\uff13", max_size=12)
nearly_days = st.one_of(
    st.text("0123456789-/., TZ:\u0663", max_size=14),
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from((*MONTHS, *LONG_MONTHS, "Sept", "Foo", "32", "0", "2017", "\u0662")),
        st.sampled_from(" -/."),
        st.integers(-1, 40),
        st.sampled_from((", ", " ", "-", "/")),
        st.integers(0, 10_000),
    ),
)


def numbers(*cells: str) -> tuple[list[float], list[bool]]:
    values, bad = parse_numbers(pd.Series(cells, dtype="str"))
    assert values.dtype == "float64"
    assert bad.dtype == "bool"
    return values.tolist(), bad.tolist()


def number(cell: str) -> float:
    [value], [bad] = numbers(cell)
    assert not bad
    return value


def days(*cells: str) -> tuple[list[date | None], list[str], list[bool]]:
    found, reasons, serial = parse_days(pd.Series(cells, dtype="str"))
    assert found.dtype == "datetime64[s]"
    return [None if pd.isna(d) else d.date() for d in found], reasons.tolist(), serial.tolist()


def day(cell: str) -> date | None:
    [found], [reason], [serial] = days(cell)
    assert (reason, serial) == ("", False)
    return found


def is_missing(cell: str) -> bool:
    return cell.strip().removeprefix("$").lower() in MISSING


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("139,293", 139_293.0),
        ("60,219,183,594", 60_219_183_594.0),
        ("1,234.50", 1_234.5),
        ("$0.17", 0.17),
        ("$1,226,800,000", 1_226_800_000.0),
        ("4.9E-05", 4.9e-05),
        ("1e+16", 1e16),
        (" 42\t", 42.0),
        ("-3.5", -3.5),
        ("+3", 3.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("007", 7.0),
        ("0", 0.0),
        ("1e-999", 0.0),
    ],
)
def test_a_number_in_any_known_form_is_read(cell: str, value: float) -> None:
    assert number(cell) == value


@pytest.mark.parametrize("cell", [*MISSING, "N/A", "NaN", "None", " - ", "$-"])
def test_a_cell_that_says_no_value_is_missing_and_not_bad(cell: str) -> None:
    [value], [bad] = numbers(cell)
    assert math.isnan(value)
    assert not bad


@pytest.mark.parametrize(
    "cell",
    [
        "unknown", "1,23", "0,123", "-0,500", "012,345", "1.234,5", "1 234", "1,2345", ",123",
        "12,34,567", "1_000", "0x10", "1e", "e5", "1.2.3", "--1", "-$5", "12%", "3 USD", "inf",
        "-inf", "Infinity", "1e999", "-1e999", "9" * 400, "\u0663\u0664", "\uff11", "\u00b2",
        "1\x00",
    ],
)  # fmt: skip
def test_what_is_no_number_is_bad_and_hurts_no_neighbour(cell: str) -> None:
    values, bad = numbers("1.5", cell, "2.5")
    assert bad == [False, True, False]
    assert (values[0], values[2]) == (1.5, 2.5)
    assert math.isnan(values[1])


@few
@given(st.floats(allow_nan=False, allow_infinity=False))
@example(5e-324)
@example(1.7976931348623157e308)
@example(9007199254740993.0)
def test_the_shortest_text_of_a_float_reads_back_to_the_last_bit(value: float) -> None:
    assert number(repr(value)) == value
    assert number(f"{value:.17g}") == value
    assert number(f" ${value!r} " if value >= 0 else repr(value)) == value


@few
@given(st.floats(-1e15, 1e15), st.integers(0, 6))
def test_thousands_separators_change_no_value(value: float, digits: int) -> None:
    assert number(f"{value:,.{digits}f}") == number(f"{value:.{digits}f}")
    assert number(f"{value:.{digits}f}") == float(f"{value:.{digits}f}")


@few
@given(st.integers())
def test_whole_numbers_of_any_length_are_read(value: int) -> None:
    assert number(f"{value}") == float(value)
    assert number(f"{value:,}") == float(value)


@few
@given(st.lists(st.one_of(any_text, nearly_numbers), max_size=30))
def test_every_cell_is_a_finite_number_or_missing_or_bad(cells: list[str]) -> None:
    values, bad = numbers(*cells)
    for cell, value, is_bad in zip(cells, values, bad, strict=True):
        assert is_bad == (math.isnan(value) and not is_missing(cell)), cell
        if not math.isnan(value):
            assert value == float(cell.strip().removeprefix("$").replace(",", ""))


@few
@given(st.lists(st.one_of(any_text, nearly_numbers), min_size=2, max_size=10))
def test_cells_of_numbers_are_read_alone(cells: list[str]) -> None:
    together = numbers(*cells)
    alone = [numbers(cell) for cell in cells]
    assert [v if v == v else None for v in together[0]] == [
        v if v == v else None for [v], _ in alone
    ]
    assert together[1] == [bad for _, [bad] in alone]


def test_numbers_and_days_keep_the_index_of_the_cells() -> None:
    cells = pd.Series(["1", "x"], index=[7, 3], dtype="str")
    results = [*parse_numbers(cells), *parse_days(cells)]
    assert [result.index.tolist() for result in results] == [[7, 3]] * 5


def test_no_cells_give_no_values() -> None:
    assert numbers() == ([], [])
    assert days() == ([], [], [])


@pytest.mark.parametrize("form", DAY_FORMS)
@fewer
@given(wanted=st.lists(known_days, min_size=1, max_size=40))
@example(wanted=[date(2016, 2, 29), date(1900, 1, 1), date(2100, 12, 31)])
def test_days_in_every_known_form_read_back(form: str, wanted: list[date]) -> None:
    cells = [DAY_FORMS[form](when) for when in wanted]
    assert days(*cells) == (wanted, [""] * len(cells), [False] * len(cells))
    assert days(*[f"  {cell} " for cell in cells])[0] == wanted


@few
@given(when=known_days, time=st.sampled_from(TIMES), form=st.sampled_from(sorted(DAY_FORMS)))
def test_a_utc_time_leaves_the_day_as_it_is(when: date, time: str, form: str) -> None:
    assert day(DAY_FORMS[form](when) + time) == when


@few
@given(st.dates(date(1990, 1, 1), date(2100, 12, 31)), st.sampled_from(["", ".0", ".000"]))
@example(date(2015, 3, 30), "")
def test_a_serial_number_is_its_day_and_said_to_be_one(when: date, tail: str) -> None:
    serial = (when - date(1899, 12, 30)).days
    assert days(f"{serial}{tail}") == ([when], [""], [True])


def test_the_serial_number_of_a_spreadsheet_reads_as_the_spreadsheet_shows_it() -> None:
    assert days("42093") == ([date(2015, 3, 30)], [""], [True])


@pytest.mark.parametrize("cell", ["Sept 2, 2017", "Sept. 2, 2017", "SEPT 2, 2017", "2 sept 2017"])
def test_sept_is_september(cell: str) -> None:
    assert day(cell) == date(2017, 9, 2)


@pytest.mark.parametrize(
    "cell",
    ["Feb 30, 2017", "Feb 29, 2017", "2017-13-01", "2017-00-10", "31 April 2017", "20170931",
     "Foo 3, 2017", "Smarch 3, 2017", "Sep 0, 2017"],
)  # fmt: skip
def test_a_day_that_no_calendar_has_is_refused(cell: str) -> None:
    assert days(cell) == ([None], ["no such day in the calendar"], [False])


@pytest.mark.parametrize("cell", ["09/10/2017", "9.10.17", "1-2-2017", "09/22/2017"])
def test_a_day_and_month_that_cant_be_told_apart_are_refused_with_advice(cell: str) -> None:
    [found], [reason], _ = days(cell)
    assert found is None
    assert "can't be told apart" in reason
    assert "YYYY-MM-DD" in reason


@pytest.mark.parametrize("cell", ["0017-09-22", "0000-01-01", "2917-09-22", "1899-12-31"])
def test_a_year_that_must_be_a_slip_is_refused(cell: str) -> None:
    assert days(cell) == ([None], ["a year outside of 1900 to 2100"], [False])


@pytest.mark.parametrize("cell", ["", "-", "--", "n/a", " ", "None"])
def test_a_cell_without_a_date_is_said_to_have_none(cell: str) -> None:
    assert days(cell) == ([None], ["no date"], [False])


@pytest.mark.parametrize(
    "cell",
    ["soon", "2017", "Sep 2017", "2017-09", "1506038400", "99999", "10000", "42093.5", "42,093",
     "2017-09-22 25:00", "2017-09-22 12:61", "2017-09-22T00:00+02:00", "2017-09-22 00:00 EST",
     "Fri, 22 Sep 2017", "\u0664\u0662\u0660\u0669\u0663",
     "\u0662\u0660\u0661\u0667-\u0660\u0669-\u0662\u0662"],
)  # fmt: skip
def test_what_is_in_no_known_form_is_refused(cell: str) -> None:
    assert days(cell) == ([None], ["no day in a form that is known"], [False])


@few
@given(st.lists(st.one_of(any_text, nearly_days), max_size=30))
def test_every_cell_is_a_day_or_has_a_reason(cells: list[str]) -> None:
    found, reasons, serial = days(*cells)
    for cell, when, reason, is_serial in zip(cells, found, reasons, serial, strict=True):
        assert (when is None) == (reason != ""), cell
        assert when is None or 1900 <= when.year <= 2100
        assert not is_serial or when == date(1899, 12, 30) + timedelta(days=float(cell))


@fewer
@given(st.lists(st.one_of(any_text, nearly_days, nearly_numbers), min_size=2, max_size=10))
def test_cells_of_days_are_read_alone(cells: list[str]) -> None:
    alone = [days(cell) for cell in cells]
    assert days(*cells) == tuple([one[i][0] for one in alone] for i in range(3))


def test_forms_may_be_mixed_in_one_column() -> None:
    same = [make(date(2017, 9, 2)) for make in DAY_FORMS.values()]
    found, reasons, _ = days(*same, "Feb 30, 2017", "42980")
    assert found == [date(2017, 9, 2)] * len(same) + [None, date(2017, 9, 2)]
    assert np.flatnonzero(reasons).tolist() == [len(same)]


def stamps(*cells: str, stamp: str, **how: bool | int) -> list[str]:
    options = {"epoch": False, "offset": False, "order": 0} | how
    found, reasons, _ = parse_stamps(pd.Series(cells, dtype="str"), stamp, **options)
    assert found.dtype == "datetime64[s]"
    assert (found.isna() == (reasons != "")).all()
    return ["" if pd.isna(when) else f"{when:%Y-%m-%d}" for when in found]


@few
@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2100, 12, 29)),
    st.sampled_from([1, 10**3, 10**6, 10**9]),
)
@example(datetime(2017, 9, 22), 1)
def test_a_moment_counted_in_any_unit_is_read_and_its_day_is_that_of_the_close(
    when: datetime, unit: int
) -> None:
    when = when.replace(microsecond=0)
    seconds = int(when.replace(tzinfo=UTC).timestamp())
    cell = str(seconds * unit)
    assert is_epoch(cell)
    values, reasons = parse_epochs(pd.Series([cell, "x", ""], dtype="str"))
    assert values[0] == seconds
    assert reasons.tolist() == ["", "no moment counted from 1970", "no date"]
    last = when - timedelta(seconds=1)
    assert stamps(cell, stamp="instant", epoch=True) == [f"{last:%Y-%m-%d}"]
    assert stamps(cell, stamp="open", epoch=True) == [f"{last + timedelta(days=1):%Y-%m-%d}"]
    # As text it says the same.
    assert stamps(f"{when}", stamp="instant") == [f"{last:%Y-%m-%d}"]
    assert stamps(f"{when}", stamp="open") == [f"{last + timedelta(days=1):%Y-%m-%d}"]


@pytest.mark.parametrize("cell", ["42093", "20170922", "1e5", "-1506038400", "1506038400x", "1,5"])
def test_what_is_no_moment_counted_from_1970_is_taken_for_none(cell: str) -> None:
    assert not is_epoch(cell)


@pytest.mark.parametrize(
    ("cell", "stamp", "day"),
    [
        ("2017-09-22", "instant", "2017-09-22"),
        ("2017-09-22", "open", "2017-09-22"),
        ("2017-09-22 00:00:00.5", "instant", "2017-09-22"),
        ("2017-09-22T23:00:00-04:00", "day", "2017-09-22"),
        ("2017-09-22T23:00:00-04:00", "instant", "2017-09-23"),
        ("2017-09-22T00:00:00+0530", "instant", "2017-09-21"),
        ("2017-02-30 00:00", "instant", ""),
        ("soon 00:00", "instant", ""),
    ],
)
def test_a_stamp_is_read_by_its_convention(cell: str, stamp: str, day: str) -> None:
    assert stamps(cell, stamp=stamp, offset=True) == [day]


def test_a_numeric_day_is_read_by_its_order_where_that_is_known() -> None:
    cells = pd.Series(["09/10/2017", "9.10.2017", "09-10-2017", "31/02/2017", "9/10/17"])
    orders = np.array([DAY_FIRST, MONTH_FIRST, 0, DAY_FIRST, DAY_FIRST], dtype=np.int8)
    found, reasons, _ = parse_days(cells.astype("str"), orders)
    told = [None if pd.isna(d) else d.date().isoformat() for d in found]
    assert told == ["2017-10-09", "2017-09-10", None, None, "2017-10-09"]
    assert reasons[3] == "no such day in the calendar"
    assert "can't be told apart" in reasons[2]


@few
@given(st.lists(known_days, min_size=1, max_size=10), st.booleans())
def test_an_order_that_is_decided_is_never_wrong(wanted: list[date], day_first: bool) -> None:
    cells = [f"{d:%d/%m/%Y}" if day_first else f"{d:%m/%d/%Y}" for d in wanted]
    try:
        order, _ = day_month_order(cells, None)
    except UnreadableFileError:
        assert all(when.day <= 12 for when in wanted)
        order, _ = day_month_order(cells, day_first)
    assert stamps(*cells, stamp="day", order=order) == [d.isoformat() for d in wanted]


def test_few_numeric_days_among_others_decide_nothing() -> None:
    assert day_month_order(["2017-09-22", "2017-09-23", "22/09/2017"], None) == (0, "")
    assert day_month_order([], True) == (0, "")


def test_decimal_commas_are_those_of_the_whole_file() -> None:
    assert has_comma_decimals(["1.234,5", "1.500", "7", "-", "x,y"])
    assert not has_comma_decimals(["1,234.5", "1,500", "1.500", "7", "-"])
    assert not has_comma_decimals(["1", "n/a"])
    assert [with_points(c) for c in ("1.234,5", "$0,5", "12", "x", "1,2,3")] == [
        "1234.5", "0.5", "12", "x", "1,2,3",
    ]  # fmt: skip


def test_a_number_with_a_suffix_is_written_out() -> None:
    assert [without_suffix(c) for c in ("1.5K", "2M", "3B", "4T", "5", "-", "K")] == [
        "1.5e3", "2e6", "3e9", "4e12", "5", "-", "K",
    ]  # fmt: skip


def test_the_step_between_bars_is_the_usual_one() -> None:
    stamps = ["1506038400", "1506124800000", "1506384000", "1506470400"]
    assert bar_seconds(stamps, epoch=True) == 86_400
    assert math.isnan(bar_seconds(["1506038400", "x"], epoch=True))


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("2019-10-17 09-AM", "2019-10-17 09:00:00"),
        ("2019-10-17 12-AM", "2019-10-17 00:00:00"),
        ("2019-10-17 12-PM", "2019-10-17 12:00:00"),
        ("Sep 22, 2017 1:05 pm", "Sep 22, 2017 13:05:00"),
        ("9/22/2017 11:59:59 p.m.", "9/22/2017 23:59:59"),
        ("2019-10-17 13-PM", "2019-10-17 13-PM"),
        ("2019-10-17 13:00", "2019-10-17 13:00"),
        ("2019-10-17", "2019-10-17"),
    ],
)
def test_times_of_twelve_hours_are_those_of_twenty_four(cell: str, wanted: str) -> None:
    assert in_24_hours(cell) == wanted


@pytest.mark.parametrize("mark", ["", " ", "€", "£ ", "$ ", "+", "\u00a0"])
def test_a_number_from_0_proves_decimal_commas_whatever_stands_before_it(mark: str) -> None:
    cells = [f"{mark}1,{i}00" for i in range(2, 9)] + [f"{mark}0,990"]
    assert find_number_style([cells], [], needs_proof=True).comma
    with pytest.raises(UnreadableFileError, match=r"comma and '100\.25' a decimal point"):
        find_number_style([cells], [], needs_proof=True, plain=[["100.25"]])
