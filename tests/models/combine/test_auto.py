"""The best member on the past, shrunk towards naive: where it may move, and where it must not."""

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.baseline.naive import Naive
from cryptodask.models.combine.auto import FEWEST
from cryptodask.records import FloatArray, Panel
from tests.models.combine.test_past import plain_errors
from tests.models.conftest import join, make_panel, one_coin, walk


def trend(length: int, noise: float, coin: str = "trend", seed: int = 1) -> Panel:
    """A coin that rises by one percent a day, and a little noise."""
    shocks = np.random.default_rng(seed).normal(0, noise, length)
    return one_coin(100 * np.exp(0.01 * np.arange(length) + shocks), coin)


def plain_auto(
    names: list[str], closes: FloatArray, dates: FloatArray, horizon: int, shrinkage: float
) -> FloatArray:
    """Forecast one coin the slow way."""
    errors = np.abs(plain_errors(["naive", *names], closes, dates, horizon, 24)).mean(axis=2)
    gains = errors[:, [0]] - errors[:, 1:]
    best, highest = names[0], 0.0
    for name, gain in zip(names, gains.T, strict=True):
        seen = gain[np.isfinite(gain)]
        if len(seen) >= FEWEST and seen.mean() > 0:
            t = seen.mean() / (seen.std(ddof=1) / np.sqrt(len(seen)))
            best, highest = (name, t) if t > highest else (best, highest)
    weight = max(0.0, 1 - shrinkage / highest**2) if highest else 0.0
    panel = Panel.from_series([("coin", closes, dates)])
    member = create_model(best).forecast(panel, horizon, 0)[0]
    growth: FloatArray = closes[-1] * (member / closes[-1]) ** weight
    return growth


@pytest.mark.parametrize("noise", [0.001, 0.03, 0.08])
@pytest.mark.parametrize("shrinkage", [0.0, 4.0])
def test_it_is_what_a_plain_loop_gives(noise: float, shrinkage: float) -> None:
    coins = [trend(90 + 30 * i, noise, f"coin-{i}", i) for i in range(4)]
    panel = join([*coins, one_coin(walk(150)[0], "walk")])
    model = create_model("auto", shrinkage=shrinkage)
    forecast = model.forecast(panel, 5, 0)
    for row, (_, closes, dates) in zip(forecast, panel, strict=True):
        expected = plain_auto(["drift", "ridge"], closes, dates, 5, shrinkage)
        np.testing.assert_allclose(row, expected, rtol=1e-9)


def test_a_trend_that_is_sure_is_followed() -> None:
    panel = trend(200, 0.001)
    [row] = create_model("auto", members="drift").forecast(panel, 10, 0)
    [drift] = create_model("drift").forecast(panel, 10, 0)
    np.testing.assert_allclose(row, drift, rtol=5e-3)
    assert row[-1] > panel.values[-1] * 1.08


def test_most_walks_without_a_trend_are_forecast_as_naive_to_the_bit() -> None:
    panel = make_panel([300] * 60)
    forecast = create_model("auto").forecast(panel, 10, 0)
    naive = Naive().forecast(panel, 10, 0)
    same = (forecast == naive).all(axis=1)
    assert same.mean() > 0.8
    rash = create_model("auto", shrinkage=0.0).forecast(panel, 10, 0)
    assert (rash == naive).all(axis=1).mean() < 0.8


def test_more_shrinkage_moves_it_less() -> None:
    panel = join([trend(200, 0.05, f"coin-{i}", i) for i in range(10)])
    naive = Naive().forecast(panel, 10, 0)
    away = [
        np.abs(np.log(create_model("auto", shrinkage=s).forecast(panel, 10, 0) / naive)).sum()
        for s in (0.0, 2.0, 4.0, 1e9)
    ]
    assert away[0] > away[1] > away[2] > away[3] == 0.0


def test_a_coin_too_young_for_evidence_is_forecast_as_naive() -> None:
    horizon = 10
    young = trend(horizon * FEWEST + 1, 0.0001)
    old = trend(horizon * FEWEST + 2, 0.0001)
    model = create_model("auto", members="drift")
    assert len(np.unique(model.forecast(young, horizon, 0))) == 1
    assert len(np.unique(model.forecast(old, horizon, 0))) == horizon
    assert np.array_equal(model.forecast(one_coin(np.array([3.0])), 2, 0), [[3.0, 3.0]])


def test_a_member_that_forecasts_no_price_is_not_followed() -> None:
    # A line through a fall that ends at nearly nothing goes below 0 within the horizon.
    closes = np.linspace(1000, 1, 200) + np.random.default_rng(3).normal(0, 0.05, 200)
    panel = one_coin(np.abs(closes))
    line = create_model("linear").forecast(panel, 10, 0)
    assert (line < 0).any()
    result = run_model(create_model("auto", members="linear"), panel, 10)
    assert np.array_equal(result.values, Naive().forecast(panel, 10, 0))


def test_prices_in_another_currency_are_forecast_in_it() -> None:
    panel = trend(200, 0.01)
    other = one_coin(panel.values * 1024, "trend")
    one, two = (create_model("auto").forecast(p, 9, 0) for p in (panel, other))
    np.testing.assert_allclose(two, one * 1024, rtol=1e-9)


def test_what_members_can_not_forecast_does_not_fail() -> None:
    closes, _ = walk(15)
    flat = one_coin(np.full(60, 2.0), "flat")
    panel = join([one_coin(closes, "young"), flat, trend(200, 0.001)])
    result = run_model(create_model("auto"), panel, 3)
    assert result.failures == []
    assert np.array_equal(result.values[:2], Naive().forecast(panel.take([0, 1]), 3, 0))


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("members", "drift,naive", "auto members: naive is always there"),
        ("inner", 7, "auto inner: must be at least 8, got 7"),
        ("shrinkage", -1, "auto shrinkage: must be at least 0 and finite"),
        ("shrinkage", "inf", "auto shrinkage: must be at least 0 and finite"),
    ],
)
def test_options_out_of_range_are_told(option: str, value: object, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        create_model("auto", **{option: value})
