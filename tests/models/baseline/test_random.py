"""A random walk from the last close."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.models.base import rng_for
from cryptodask.models.baseline.random import Random
from cryptodask.records import Panel
from tests.models.conftest import make_panel, one_coin, panels

calm = settings(deadline=None)


@calm
@given(panel=panels(1), horizon=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_it_walks_in_steps_of_one_percent_from_the_last_close(
    panel: Panel, horizon: int, seed: int
) -> None:
    forecast = Random().forecast(panel, horizon, seed)
    for row, (coin, closes, _) in zip(forecast, panel, strict=True):
        price, rng = closes[-1], rng_for(seed, "random", coin)
        for step in row:
            price *= np.exp(rng.normal(0, 0.01))
            assert step == pytest.approx(price, rel=1e-12)


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one() -> None:
    panel = make_panel([5, 6])
    long, short = (Random().forecast(panel, horizon, seed=1) for horizon in (25, 4))
    assert np.array_equal(long[:, :4], short)


def test_the_steps_have_the_deviation_that_they_should() -> None:
    path = np.log(Random().forecast(one_coin(np.array([1.0])), 20_000, seed=0)[0])
    steps = np.diff(path, prepend=0.0)
    assert steps.std() == pytest.approx(0.01, rel=0.02)
    assert abs(steps.mean()) < 3e-4
    assert abs(np.corrcoef(steps[:-1], steps[1:])[0, 1]) < 0.03
