"""The random walk with drift, against its formula and statsforecast's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.models import run_model
from cryptodask.models.baseline.drift import Drift
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, make_panel, need_package, one_coin, panels


@settings(deadline=None)
@given(panel=panels(2), horizon=st.integers(1, 30), log=st.booleans())
def test_it_moves_on_by_the_mean_change_a_calendar_day(
    panel: Panel, horizon: int, log: bool
) -> None:
    forecast = Drift(log).forecast(panel, horizon, seed=0)
    for row, (_, closes, dates) in zip(forecast, panel, strict=True):
        y = np.log(closes) if log else closes
        slope = (y[-1] - y[0]) / int((dates[-1] - dates[0]) / DAY)
        expected = y[-1] + slope * np.arange(1, horizon + 1)
        expected = np.exp(expected) if log else expected
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-9 * closes.max())


@pytest.mark.parametrize("log", [True, False])
def test_it_is_statsforecasts_random_walk_with_drift(log: bool) -> None:
    need_package("stats:all")
    from statsforecast import models

    panel = make_panel([40, 300])
    for row, (_, closes, _) in zip(Drift(log).forecast(panel, 7, 0), panel, strict=True):
        y = np.log(closes) if log else closes
        theirs = models.RandomWalkWithDrift().forecast(y=y, h=7)["mean"]
        np.testing.assert_allclose(row, np.exp(theirs) if log else theirs, rtol=1e-5)


def test_a_gap_counts_as_what_it_lasted() -> None:
    dates = START + np.array([0, 1, 10]) * DAY
    panel = Panel.from_series([("coin", np.array([1.0, 5.0, 2.0]), dates)])
    [[next_day]] = Drift().forecast(panel, 1, seed=0)
    assert next_day == pytest.approx(2.0 * 2.0**0.1)
    [[next_day]] = Drift(log=False).forecast(panel, 1, seed=0)
    assert next_day == pytest.approx(2.1)


def test_a_coin_whose_growth_overflows_fails_alone() -> None:
    wild = Panel.from_series([("wild", np.array([1e-300, 1e300]), START + np.arange(2) * DAY)])
    panel = Panel.from_series([*wild, *make_panel([30])])
    result = run_model(Drift(), panel, 3)
    assert result.coins == ("coin-0",)
    assert [f.exception for f in result.failures] == ["ForecastError"]


def test_prices_in_another_currency_are_forecast_in_it() -> None:
    closes = make_panel([50]).values
    one, other = (Drift().forecast(one_coin(c), 9, 0) for c in (closes, closes * 1024))
    np.testing.assert_allclose(other, one * 1024, rtol=1e-12)
