"""Combinations of members, against combining their own forecasts."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.models import create_model, run_model
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.combine.test_past import plain_errors
from tests.models.conftest import START, join, make_panel, one_coin, panels, walk

NAMES = ["naive", "linear", "ridge"]


def of_members(panel: Panel, horizon: int, names: list[str] = NAMES) -> FloatArray:
    return np.array([run_model(create_model(name), panel, horizon, 3).values for name in names])


@settings(max_examples=20, deadline=None)
@given(panel=panels(22), horizon=st.integers(1, 10))
def test_mean_and_median_are_those_of_the_members(panel: Panel, horizon: int) -> None:
    expected = of_members(panel, horizon)
    mean = create_model("ensemble", members=NAMES).forecast(panel, horizon, 3)
    np.testing.assert_allclose(mean, expected.mean(axis=0), rtol=1e-12)
    median = create_model("ensemble", members="naive,linear,ridge", how="median")
    assert np.array_equal(median.forecast(panel, horizon, 3), np.median(expected, axis=0))


@settings(max_examples=10, deadline=None)
@given(panel=panels(22), horizon=st.integers(1, 5), inner=st.integers(1, 6))
def test_weights_are_the_inverse_of_past_mean_squared_errors(
    panel: Panel, horizon: int, inner: int
) -> None:
    model = create_model("ensemble", members=NAMES, how="inverse_error", inner=inner)
    forecast, own = model.forecast(panel, horizon, 3), of_members(panel, horizon)
    for i, (_, closes, dates) in enumerate(panel):
        errors = plain_errors(NAMES, closes, dates, horizon, inner).transpose(0, 2, 1)
        seen = errors.reshape(-1, len(NAMES))
        seen = seen[np.isfinite(seen).all(axis=1)]
        weights = 1 / (seen**2).mean(axis=0) if len(seen) else np.ones(len(NAMES))
        expected = (weights / weights.sum()) @ own[:, i]
        np.testing.assert_allclose(forecast[i], expected, rtol=1e-6)


def test_a_random_member_forecasts_as_it_does_alone() -> None:
    panel = make_panel([40, 50])
    alone = run_model(create_model("random"), panel, 4, 7).values
    assert np.array_equal(create_model("ensemble", members="random").forecast(panel, 4, 7), alone)


def test_a_member_that_is_perfect_has_nearly_all_weight() -> None:
    rise = one_coin(np.exp(np.arange(120) * 0.01))
    model = create_model("ensemble", members="naive,drift", how="inverse_error")
    drift = create_model("drift").forecast(rise, 5, 0)
    np.testing.assert_allclose(model.forecast(rise, 5, 0), drift, rtol=1e-9)


def test_a_coin_that_a_member_can_not_forecast_fails_alone_and_names_it() -> None:
    wild = Panel.from_series([("wild", np.array([1e-300, 1e300]), START + np.arange(2) * DAY)])
    model = create_model("ensemble", members="naive,drift")
    result = run_model(model, join([wild, make_panel([30])]), 3)
    assert result.coins == ("coin-0",)
    [failure] = result.failures
    assert (failure.coin, failure.exception) == ("wild", "ForecastError")
    assert failure.message.startswith("wild: member drift: wild: drift gave ")


def test_it_needs_what_its_members_need() -> None:
    calm, fussy = (create_model("ensemble", members=m) for m in ("naive,drift", "naive,ridge"))
    assert (calm.gaps, calm.min_length(3), calm.needs_variation) == ("leave", 2, True)
    assert (fussy.gaps, fussy.min_length(3), fussy.needs_variation) == ("split", 22, True)
    plain = create_model("ensemble", members="naive,historic_mean")
    assert not plain.needs_variation
    learnt = create_model("ensemble", members="naive,drift", how="inverse_error", inner=4)
    assert learnt.cost == 5 * calm.cost


def test_prices_in_another_currency_are_forecast_in_it() -> None:
    closes, _ = walk(80)
    model = create_model("ensemble", how="inverse_error")
    one, other = (model.forecast(one_coin(c), 9, 0) for c in (closes, closes * 1024))
    np.testing.assert_allclose(other, one * 1024, rtol=1e-9)


def test_it_travels_with_its_members_made_or_not() -> None:
    model = create_model("ensemble", members="naive,drift")
    fresh = pickle.loads(pickle.dumps(model))
    model.forecast(make_panel([30]), 2, 0)
    used = pickle.loads(pickle.dumps(model))
    assert fresh == used == model
    assert hash(fresh) == hash(used)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("how", "mode", "ensemble how: must be one of mean, median, inverse_error, got 'mode'"),
        ("inner", 0, "ensemble inner: must be at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_told(option: str, value: object, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        create_model("ensemble", **{option: value})
