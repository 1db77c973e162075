"""The close of one season before, by the calendar."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.models import create_model
from cryptodask.models.baseline.seasonal_naive import SeasonalNaive
from cryptodask.records import DAY, Panel
from tests.models.conftest import START, make_panel, need_package, panels


@settings(deadline=None)
@given(panel=panels(9), horizon=st.integers(1, 30), season=st.integers(1, 9))
def test_a_day_is_as_the_same_day_of_the_last_season(
    panel: Panel, horizon: int, season: int
) -> None:
    forecast = SeasonalNaive(season).forecast(panel, horizon, seed=0)
    for row, (_, closes, dates) in zip(forecast, panel, strict=True):
        for step, price in enumerate(row, 1):
            like = dates[-1] + (step - season * -(-step // season)) * DAY
            assert price == closes[dates <= like][-1]


def test_a_day_that_is_missing_is_as_the_one_before_it() -> None:
    dates = START + np.array([0, 1, 2, 3, 4, 6, 7]) * DAY
    panel = Panel.from_series([("coin", np.arange(1.0, 8.0), dates)])
    forecast = SeasonalNaive(4).forecast(panel, 5, seed=0)
    assert forecast.tolist() == [[5.0, 5.0, 6.0, 7.0, 5.0]]


def test_it_is_statsforecasts_seasonal_naive() -> None:
    need_package("stats:all")
    from statsforecast import models

    panel = make_panel([40, 300])
    for row, (_, closes, _) in zip(SeasonalNaive(7).forecast(panel, 17, 0), panel, strict=True):
        theirs = models.SeasonalNaive(season_length=7).forecast(y=closes, h=17)["mean"]
        np.testing.assert_allclose(row, theirs, rtol=1e-6)


def test_a_season_has_a_bar() -> None:
    with pytest.raises(OptionError, match="seasonal_naive season: must be at least 1, got 0"):
        create_model("seasonal_naive", season=0)
