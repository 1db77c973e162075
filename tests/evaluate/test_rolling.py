"""A panel as of a date: what is seen, what is not, and what came after."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.evaluate.rolling import Rolling, choose_origins
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, panels

HOUR = np.timedelta64(1, "h")


@given(
    panel=panels(1),
    after=st.integers(-3, 700),
    window=st.none() | st.integers(1, 9),
    splits=st.booleans(),
)
def test_a_date_shows_the_coins_that_have_it_and_their_rows_up_to_it(
    panel: Panel, after: int, window: int | None, splits: bool
) -> None:
    date = START + after * DAY
    seen = Rolling(panel, splits).at(date, window)
    expected = []
    for i, (coin, closes, dates) in enumerate(panel):
        if date in dates:
            upto = dates <= date
            if splits:
                for earlier, later in pairwise(dates):
                    if later <= date and later - earlier > DAY:
                        upto &= dates >= later
            expected.append((i, coin, closes[upto][-(window or 10**6) :].tolist()))
    visible = [
        (int(i), coin, closes.tolist())
        for i, (coin, closes, _) in zip(seen.places, seen.panel, strict=True)
    ]
    assert visible == expected
    assert all(dates[-1] == date for _, _, dates in seen.panel)
    assert not np.shares_memory(seen.panel.values, panel.values)


@given(panel=panels(1), after=st.integers(-3, 700))
def test_closes_on_dates_are_those_of_the_rows_and_missing_where_there_is_none(
    panel: Panel, after: int
) -> None:
    dates = (START + (after + np.arange(5)) * DAY)[None].repeat(len(panel), axis=0)
    actuals = Rolling(panel).closes(np.arange(len(panel)), dates)
    for row, (_, closes, days) in zip(actuals, panel, strict=True):
        known = dict(zip(days.tolist(), closes.tolist(), strict=True))
        expected = [known.get(day, np.nan) for day in dates[0].tolist()]
        np.testing.assert_array_equal(row, expected)


def test_a_panel_without_coins_shows_none() -> None:
    rolling = Rolling(Panel.from_series([]))
    assert len(rolling.at(START).panel) == 0


@pytest.mark.parametrize("bar", [DAY, HOUR])
def test_the_last_origin_has_a_whole_horizon_after_it(bar: np.timedelta64) -> None:
    last = START + 100 * bar
    assert choose_origins(START, last, bar, 10, 3).tolist() == [
        (START + n * bar).tolist() for n in (70, 80, 90)
    ]
    assert choose_origins(START, last, bar, 10, 3, 1).tolist() == [
        (START + n * bar).tolist() for n in (88, 89, 90)
    ]


def test_dates_can_be_given_in_any_order_and_form() -> None:
    given_dates = ["2017-10-02", "2017-09-30"]
    chosen = choose_origins(START, START + 100 * DAY, DAY, 10, given_dates)
    assert chosen.astype("datetime64[D]").astype(str).tolist() == ["2017-09-30", "2017-10-02"]


@pytest.mark.parametrize(
    ("origins", "every", "message"),
    [
        (0, None, "origins: must be at least 1, got 0"),
        (3, 0, "step: must be at least 1 bar, got 0"),
        (12, None, "12 origins 10 bars apart and a horizon of 10 do not fit between 2017-09-22 "
                   "and 2017-12-31; at most 10 do"),
        ([], None, "origins: none given"),
        (["2017-09-01"], None, "origins: 2017-09-01 is not between 2017-09-22 and 2017-12-31"),
        (["2017-12-31"], None, "origins: 2017-12-31 is not between"),
    ],
)  # fmt: skip
def test_origins_that_can_not_be_are_refused(
    origins: object, every: int | None, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        choose_origins(START, START + 100 * DAY, DAY, 10, origins, every)  # type: ignore[arg-type]
    assert len(choose_origins(START, START + 100 * DAY, DAY, 10, 10)) == 10


@given(panel=panels(1), after=st.integers(-3, 700), window=st.none() | st.integers(1, 9))
def test_other_columns_are_shown_as_the_closes_are(
    panel: Panel, after: int, window: int | None
) -> None:
    panel = replace(panel, extra={"volume": panel.values * 2})
    seen = Rolling(panel).at(START + after * DAY, window).panel
    assert np.array_equal(seen.extra["volume"], seen.values * 2)
