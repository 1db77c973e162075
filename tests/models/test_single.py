"""The models as functions of one coin: the same numbers as in a batch, from whatever sequences."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import (
    BrokenSeriesError,
    ConstantSeriesError,
    ForecastError,
    OptionError,
    TooShortError,
)
from cryptodask.models import create_model, deep_predict, linear_predict, predict_one, run_model
from tests.models.conftest import QUICK, join, make_panel, one_coin

PANEL = make_panel([40, 52, 33], gaps=True, run=20)
CLOSES, DATES = next((closes, dates) for coin, closes, dates in PANEL if coin == "coin-1")
DAYS = [day.astype(object) for day in DATES.astype("datetime64[D]")]


def test_linear_predict_is_the_model_on_a_batch_with_the_coin() -> None:
    batch = run_model(create_model("linear"), PANEL, 7)
    assert np.array_equal(linear_predict(CLOSES, DATES, 7), batch.values[1])


def test_deep_predict_is_the_model_on_a_batch_with_the_coin() -> None:
    batch = run_model(create_model("lstm", **QUICK["lstm"]), PANEL, 7, seed=3)
    alone = deep_predict(CLOSES, DATES, 7, coin="coin-1", seed=3, **QUICK["lstm"])
    assert np.array_equal(alone, batch.values[1])
    for other in ({"coin": "coin-2", "seed": 3}, {"coin": "coin-1", "seed": 4}):
        assert (deep_predict(CLOSES, DATES, 7, **other, **QUICK["lstm"]) != alone).all()


def test_deep_predict_without_a_name_is_repeatable() -> None:
    one, other = (deep_predict(CLOSES, DATES, 3, **QUICK["lstm"]) for _ in range(2))
    assert np.array_equal(one, other)


def test_any_model_can_be_asked() -> None:
    batch = run_model(create_model("random"), PANEL, 7, seed=3)
    alone = predict_one(create_model("random"), CLOSES, DATES, 7, coin="coin-1", seed=3)
    assert np.array_equal(alone, batch.values[1])


def test_ten_days_are_forecast_by_default() -> None:
    assert linear_predict(CLOSES, DATES).shape == (10,)
    assert deep_predict(CLOSES, DATES, **QUICK["lstm"]).shape == (10,)


def in_zones(days: list[date]) -> list[datetime]:
    """Return the beginnings of these days in UTC by clocks of changing zones, as in summer time."""
    zones = [timezone(timedelta(hours=hours)) for hours in (1, 2)]
    midnights = [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in days]
    return [midnight.astimezone(zones[i % 2]) for i, midnight in enumerate(midnights)]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(DATES, id="datetime64[s]"),
        pytest.param(DATES.astype("datetime64[D]"), id="datetime64[D]"),
        pytest.param(DATES.astype("datetime64[ns]"), id="datetime64[ns]"),
        pytest.param(DAYS, id="dates"),
        pytest.param([datetime(d.year, d.month, d.day) for d in DAYS], id="datetimes"),
        pytest.param([pd.Timestamp(d) for d in DAYS], id="timestamps"),
        pytest.param(in_zones(DAYS), id="other zones"),
        pytest.param(pd.DatetimeIndex(DATES), id="index"),
        pytest.param(pd.Series(DATES, index=range(7, 59)), id="series"),
        pytest.param(pd.Series(DATES).dt.tz_localize("UTC"), id="series in UTC"),
        pytest.param([d.isoformat() for d in DAYS], id="text"),
        pytest.param(tuple(f"{d:%b %d, %Y}" for d in DAYS), id="text of price files"),
        pytest.param(np.array([d.isoformat() for d in DAYS]), id="array of text"),
        pytest.param(pd.Series([d.isoformat() for d in DAYS]), id="series of text"),
        pytest.param([(d - date(1970, 1, 1)).days for d in DAYS], id="numbers"),
        pytest.param(np.array([(d - date(1970, 1, 1)).days for d in DAYS], float), id="floats"),
        pytest.param(
            pd.Series([(d - date(1970, 1, 1)).days for d in DAYS]), id="series of numbers"
        ),
    ],
)
def test_times_may_be_of_any_kind(times: Any) -> None:
    assert np.array_equal(linear_predict(CLOSES, times, 5), linear_predict(CLOSES, DATES, 5))


@pytest.mark.parametrize("kind", [list, tuple, pd.Series, pd.Index], ids=lambda k: k.__name__)
def test_prices_may_be_of_any_kind(kind: Callable[[Any], Any]) -> None:
    given = kind(CLOSES.tolist())
    assert np.array_equal(linear_predict(given, DATES, 5), linear_predict(CLOSES, DATES, 5))


def test_whole_numbers_are_prices_too() -> None:
    assert linear_predict([1, 2, 3], [0, 1, 2], 2) == pytest.approx([4, 5])


def test_numbers_may_count_from_any_day() -> None:
    """Only the distances matter to a line."""
    days = (DATES - DATES[0]) / np.timedelta64(1, "D")
    assert linear_predict(CLOSES, days, 5) == pytest.approx(linear_predict(CLOSES, DATES, 5))


def test_what_was_given_is_left_intact() -> None:
    closes, dates = CLOSES.copy(), DATES.copy()
    linear_predict(closes, dates)
    deep_predict(closes, dates, **QUICK["lstm"])
    assert np.array_equal(closes, CLOSES)
    assert np.array_equal(dates, DATES)


@pytest.mark.parametrize(
    ("prices", "times", "told"),
    [
        ([1, 2, 3], [1, 2], "two sequences of one length, got shapes (3,) and (2,)"),
        ([[1, 2, 3]], [1, 2, 3], "got shapes (1, 3) and (3,)"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], "got shapes (2, 2) and (2, 2)"),
        (5.0, 1, "got shapes () and ()"),
        ([1, 2, "k"], [1, 2, 3], "prices: must be numbers"),
        ([1, 2, None], [1, 2, 3], "prices: close nan on 1970-01-04"),
        ([1, -2, 3], [1, 2, 3], "prices: close -2.0 on 1970-01-03"),
        ([1, 2, 3], [1, 3, 2], "prices: dates must rise"),
        ([1, 2, 3], [1, 2, np.nan], "prices: a date is missing"),
        ([1, 2, 3], [date(2020, 1, 1), date(2020, 1, 2), None], "prices: a date is missing"),
        ([1, 2, 3], ["2020-01-01", "2020-01-02", "soon"], "times: 'soon' in place 2: no day"),
        ([1, 2, 3], ["2020-01-01", None, "2020-01-02"], "times: '' in place 1: "),
        ([1, 2, 3], ["2020-01-30", "2020-01-31", "2020-02-30"], "'2020-02-30' in place 2: no such"),
        ([1, 2, 3], ["01/09/2020", "02/09/2020", "03/09/2020"], "times: '01/09/2020' in place 0: "),
        ([1, 2, 3], ["43831", "43832", "43833"], "times: '43831' in place 0: a number as text"),
        ([1, 2, 3], [True, False, True], "times: must be dates, text or numbers of days"),
    ],
)
def test_what_is_no_series_is_told_clearly(prices: Any, times: Any, told: str) -> None:
    with pytest.raises(BrokenSeriesError) as caught:
        linear_predict(prices, times)
    assert told in str(caught.value)


def test_a_series_that_a_model_can_not_use_is_told_by_the_name_of_the_coin() -> None:
    with pytest.raises(TooShortError, match=r"^prices: 0 rows, linear needs 2"):
        linear_predict([], [])
    with pytest.raises(TooShortError, match=r"^prices: 1 rows, linear needs 2"):
        linear_predict([1.0], [1])
    with pytest.raises(ConstantSeriesError, match=r"^prices: all 3 closes are 2"):
        linear_predict([2.0, 2.0, 2.0], [1, 2, 3])
    with pytest.raises(TooShortError, match=r"^Bitcoin: 52 rows, lstm needs 60"):
        deep_predict(CLOSES, DATES, 10, coin="Bitcoin")


@pytest.mark.parametrize("predict", [0, -1])
def test_a_horizon_below_one_day_is_refused(predict: int) -> None:
    with pytest.raises(OptionError, match=f"horizon: must be at least 1, got {predict}"):
        linear_predict(CLOSES, DATES, predict)
    with pytest.raises(OptionError, match=f"horizon: must be at least 1, got {predict}"):
        deep_predict(CLOSES, DATES, predict)


def test_options_of_the_network_are_checked() -> None:
    with pytest.raises(OptionError, match="lstm epochs: must be at least 1, got 0"):
        deep_predict(CLOSES, DATES, epochs=0)
    with pytest.raises(OptionError, match="lstm: has no option 'depth'"):
        deep_predict(CLOSES, DATES, depth=3)


def test_a_forecast_that_is_not_finite_is_an_error_and_not_a_number() -> None:
    options = QUICK["lstm"] | {"optimizer": "sgd", "learning_rate": 1e30}
    wild = np.array([1e-9, 1e9] * 30)
    assert run_model(create_model("lstm", **options), one_coin(wild), 3).failures
    with pytest.raises(ForecastError, match=r"^wild: lstm gave"):
        deep_predict(wild, np.arange(60), 3, coin="wild", **options)


def test_a_batch_joined_in_another_order_gives_the_same_numbers() -> None:
    turned = join([PANEL.take([1]), PANEL.take([2, 0])])
    batch = run_model(create_model("linear"), turned, 7)
    assert np.array_equal(linear_predict(CLOSES, DATES, 7), batch.values[0])
