"""The mean of all closes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.models.baseline.historic_mean import HistoricMean
from cryptodask.records import Panel
from tests.models.conftest import panels


@settings(deadline=None)
@given(panel=panels(1), horizon=st.integers(1, 30))
def test_every_day_is_the_mean_of_all_closes(panel: Panel, horizon: int) -> None:
    forecast = HistoricMean().forecast(panel, horizon, seed=0)
    assert forecast.shape == (len(panel), horizon)
    for row, (_, closes, _) in zip(forecast, panel, strict=True):
        np.testing.assert_allclose(row, closes.mean(), rtol=1e-12)
