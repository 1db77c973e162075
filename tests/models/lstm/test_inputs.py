"""Inputs beside the close: which, of which bars, in which measure, and in bars ahead."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import ForecastError, OptionError
from cryptodask.features import FeatureSpace
from cryptodask.models import create_model, run_model
from cryptodask.models.lstm.inputs import Ahead, Measure
from cryptodask.models.lstm.lstm import LSTM, LSTMFit
from cryptodask.models.lstm.weights import Weights
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import QUICK, join, make_panel, one_coin, panels, walk
from tests.models.reference import build_network, load_weights

FEATURES = "lag:1-2 std:4 macd:3,6,4 bollinger:5 weekday"

quick = QUICK["lstm"] | {"features": FEATURES}
space = FeatureSpace.parse(FEATURES, "price")


def features_at_the_end(coin: str, closes: Any, dates: Any) -> FloatArray:
    """Return the features of the last row of a run, from that run alone."""
    panel = Panel.from_series([(coin, closes, dates)])
    return space.compute(space.rows(panel))[-1]


def slow_forecast(network: Any, model: LSTM, panel: Panel, measure: Measure, n: int) -> FloatArray:
    """Forecast one coin without gaps as the definition says it, a day and a Keras call at a time.

    Each bar's features are computed anew from a series that ends there.
    """
    closes, dates = panel.values.tolist(), [*panel.dates, *panel.future_dates(n)[0]]
    for _ in range(n):
        x = []
        for end in range(len(closes) - model.window + 1, len(closes) + 1):
            own = features_at_the_end("coin", closes[:end], dates[:end])
            growth = closes[end - 1] / closes[-model.window] - 1
            x.append([growth, *(own - measure.mean[0]) / measure.deviation[0]])
        predicted = float(network(np.array([x], dtype=np.float32), training=False)[0, 0])
        closes.append(closes[-model.window] * (1 + predicted))
    return np.array(closes[-n:])


@pytest.mark.parametrize("more", [{}, {"batch_norm": True, "recurrent_dropout": 0.2}])
def test_a_forecast_feeds_each_predicted_close_into_the_features_of_its_bar(
    keras: Any, more: dict[str, Any]
) -> None:
    model, panel = LSTM(**quick, **more, learning_rate=0.01, epochs=3), make_panel([40, 33])
    fit = model.fit(panel, seed=2)
    forecast = model.predict(fit, panel, 6)
    assert np.array_equal(forecast, model.forecast(panel, 6, seed=2))
    network = build_network(model)
    for i in range(2):
        own = LSTMFit.of(fit.learned(panel.coins).take([panel.coins[i]]))
        load_weights(network, Weights({name: a[0] for name, a in own.weights.arrays.items()}))
        assert own.measure is not None
        expected = slow_forecast(network, model, panel.take([i]), own.measure, 6)
        np.testing.assert_allclose(forecast[i], expected, rtol=5e-5)


@settings(max_examples=25, deadline=None)
@given(panel=panels(20, most=1), window=st.integers(1, 8))
def test_each_bar_of_a_window_has_its_own_features_and_no_window_lacks_one(
    panel: Panel, window: int
) -> None:
    model = LSTM(window=window, features=FEATURES, validation_split=0.3)
    x, y, split, measure = model._seen(panel, 0)
    assert measure is not None
    runs = np.split(np.arange(len(panel.values)), np.flatnonzero(np.diff(panel.dates) != DAY) + 1)
    wanted, targets = [], []
    for run in runs:
        closes, dates = panel.values[run], panel.dates[run]
        for start in range(space.history - 1, len(run) - window):
            bars = range(start, start + window)
            rows = [features_at_the_end("coin", closes[: i + 1], dates[: i + 1]) for i in bars]
            wanted.append(np.column_stack([closes[list(bars)] / closes[start] - 1, rows]))
            targets.append(closes[start + window] / closes[start] - 1)
    inputs = np.array(wanted)
    inputs[..., 1:] = (inputs[..., 1:] - measure.mean) / measure.deviation
    np.testing.assert_allclose(x, inputs, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(y, targets, rtol=1e-5, atol=1e-6)
    assert split == len(x) - int(len(x) * 0.3)


def test_features_are_standardised_over_the_bars_trained_on_and_no_later_one() -> None:
    model = LSTM(**quick, validation_split=0.25)
    closes = walk(80)[0]
    x, _, split, measure = model._seen(one_coin(closes), 0)
    last = space.history - 1 + split - 1 + model.window  # one behind the last bar trained on
    bars = np.concatenate([x[0, :, 1:], x[1:split, -1, 1:]])
    assert len(bars) == last - (space.history - 1)
    np.testing.assert_allclose(bars.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(bars.std(axis=0), 1, rtol=1e-5)
    later = closes.copy()
    later[last:] *= np.linspace(2, 5, len(later) - last)
    earlier = closes.copy()
    earlier[last - 1] *= 1.5
    measures = [model._seen(one_coin(c), 0)[3] for c in (later, earlier)]
    assert measure is not None
    assert measures[0] is not None
    assert measures[1] is not None
    assert np.array_equal(measures[0].mean, measure.mean)
    assert np.array_equal(measures[0].deviation, measure.deviation)
    assert not np.array_equal(measures[1].mean, measure.mean)


def test_a_feature_that_never_varied_is_0_even_where_it_does_later() -> None:
    rows = np.array([[0.1 + 0.2, 1.0], [0.3, 2.0], [0.1 + 0.2, 3.0]])
    measure = Measure.of(rows)
    assert measure.deviation[0, 0] == np.inf
    assert np.array_equal(measure(rows[None])[0, :, 0], np.zeros(3))
    assert measure(np.array([[[7.0, 2.0]]])).tolist() == [[[0.0, 0.0]]]
    np.testing.assert_allclose(measure(rows[None])[0, :, 1], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)


def test_the_fewest_rows_are_enough_and_one_less_is_too_short_by_name() -> None:
    model = LSTM(**quick)
    assert model.min_length(5) == space.history - 1 + 8 + 5
    enough, short = make_panel([model.min_length(1)]), make_panel([model.min_length(1) - 1])
    assert run_model(model, enough, 1).failures == []
    [failure] = run_model(model, short, 1).failures
    assert failure.message.endswith(f"lstm needs {model.min_length(1)} for a horizon of 1")


def test_rows_before_the_last_gap_make_no_feature_ahead() -> None:
    closes, dates = walk(60)
    dates[30:] += 5 * DAY
    panel = Panel.from_series([("coin", closes, dates)])
    alone = Panel.from_series([("coin", closes[30:], dates[30:])])
    measure = Measure(np.zeros((1, 13)), np.ones((1, 13)))
    one, other = (Ahead(space, p, 3, 8, measure) for p in (panel, alone))
    for close in (2.0, 3.0):
        assert np.array_equal(one.inputs, other.inputs)
        assert np.isfinite(one.inputs).all()
        one.move(np.array([close]))
        other.move(np.array([close]))
    assert np.array_equal(one.inputs, other.inputs)


def test_trained_once_it_forecasts_as_it_did_and_newer_rows_and_any_order() -> None:
    model, panel = LSTM(**quick), make_panel([60, 50])
    trained = model.train(panel, seed=3)
    assert trained.space == model.space == space
    assert np.array_equal(trained.forecast(panel, 4, 0), model.forecast(panel, 4, 3))
    turned = trained.forecast(panel.take([1, 0]), 4, 0)
    assert np.array_equal(turned[::-1], trained.forecast(panel, 4, 0))
    assert trained.forecast(panel.take([]), 4, 0).shape == (0, 4)
    closes, dates = panel.values[:60] * 1.0, panel.dates[:60] + 9 * DAY
    newer = Panel.from_series([("coin-0", closes, dates)])
    assert not np.array_equal(trained.forecast(newer, 4, 0)[0], turned[1])  # other weekdays


def test_a_close_predicted_to_be_below_0_leaves_its_coin_without_a_forecast() -> None:
    model = LSTM(window=2, units=(2,), features="lag:1", optimizer="sgd", learning_rate=1e3)
    panel = join([make_panel([40]), one_coin(walk(40, 1)[0], "other")])
    fit = model.fit(panel, 0)
    arrays = {name: a.copy() for name, a in fit.weights.arrays.items()}
    arrays["dense_kernel"][:] = 0
    arrays["dense_bias"][:] = [[-2.0], [0.0]]
    fit.weights.arrays.update(arrays)  # type: ignore[attr-defined]
    below, other = model.predict(fit, panel, 3)
    assert below[0] < 0
    assert np.isnan(below[1:]).all()
    assert np.isfinite(other).all()


def test_a_coin_of_no_window_with_all_features_fails_alone_and_by_name() -> None:
    """A price that falls by more than a float can tell has no log return."""
    closes = np.tile([1e300, 1e-300], 20)
    panel = join([make_panel([60]), one_coin(closes, "wild")])
    result = run_model(LSTM(**quick | {"features": "lag:1"}), panel, 3)
    assert result.coins == ("coin-0",)
    [failure] = result.failures
    assert failure.exception == ForecastError.__name__
    assert failure.message.startswith(
        "wild: lstm: no window of 8 rows has lag:1 known in all of them"
    )


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ("lag:1 volume_change", "lstm features: volume_change:1 is not known of the bars ahead"),
        ("market_cap_change:2", "market_cap_change:2 is not known of the bars ahead"),
        ("market weekday", "leave it out (pooled_linear has it"),
        (
            "coin:Bitcoin:1",
            "coin:Bitcoin:1 is not known of the bars ahead: a forecast is recursive",
        ),
        ("volume_change", "leave it out (ridge_features has it"),
        ("lags", "lstm features: 'lags', number 1: no such feature; did you mean lag?"),
        ("  ", "lstm features: none declared"),
    ],
)
def test_features_that_can_not_be_had_are_refused(features: str, told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        create_model("lstm", features=features)
