"""The LSTM around its network: windows, recursion, validation, options."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.models import create_model, run_model
from cryptodask.models.base import rng_for
from cryptodask.models.lstm.forward import ACTIVATIONS, forward
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.weights import Weights
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import (
    QUICK,
    START,
    make_panel,
    one_coin,
    panels,
    walk,
    windows_of,
)
from tests.models.reference import build_network, load_weights

quick = QUICK["lstm"]


def slow_forecast(network: Any, closes: FloatArray, window: int, horizon: int) -> FloatArray:
    """Forecast one coin as the definition says it, a day and a Keras call at a time."""
    seen = closes.tolist()
    for _ in range(horizon):
        last = seen[-window:]
        growth = np.array([close / last[0] - 1 for close in last], dtype=np.float32)
        predicted = float(network(growth.reshape(1, window, 1), training=False)[0, 0])
        seen.append(last[0] * (1 + predicted))
    return np.array(seen[len(closes) :])


@pytest.mark.parametrize(
    "options",
    [
        LSTM(**quick),
        LSTM(**quick, batch_norm=True, epochs=3, learning_rate=0.01),
        LSTM(window=5, units=(7,), activation="tanh", optimizer="adam", dropout=0.0),
    ],
    ids=["quick", "batch_norm", "one_layer"],
)
def test_a_forecast_is_the_recursion_over_windows_of_their_own_base(
    keras: Any, options: LSTM
) -> None:
    panel = make_panel([40, 33], gaps=True, run=25)
    fit = options.fit(panel, seed=2)
    forecast = options.predict(fit, panel, 12)
    assert np.array_equal(forecast, options.forecast(panel, 12, seed=2))
    network = build_network(options)
    for i, (_, closes, _) in enumerate(panel):
        load_weights(network, Weights({name: a[i] for name, a in fit.weights.arrays.items()}))
        expected = slow_forecast(network, closes, options.window, 12)
        np.testing.assert_allclose(forecast[i], expected, rtol=2e-5)


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one() -> None:
    model, panel = LSTM(**quick), make_panel([40, 50])
    fit = model.fit(panel, seed=0)
    assert np.array_equal(model.predict(fit, panel, 25)[:, :4], model.predict(fit, panel, 4))


def test_examples_are_growth_over_the_first_close_of_their_window() -> None:
    closes = np.array([2.0, 3.0, 5.0, 4.0, 8.0])
    x, y = windows_of(LSTM(window=3), closes)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_allclose(x, [[0, 3 / 2 - 1, 5 / 2 - 1], [0, 5 / 3 - 1, 4 / 3 - 1]], rtol=1e-6)
    np.testing.assert_allclose(y, [4 / 2 - 1, 8 / 3 - 1], rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(panel=panels(9, 80, most=1))
def test_every_window_and_the_close_after_it_is_an_example(panel: Panel) -> None:
    closes = panel.values
    x, y = windows_of(LSTM(window=8), closes)
    assert len(x) == len(y) == len(closes) - 8
    for start in range(len(x)):
        growth = closes[start : start + 9] / closes[start] - 1
        np.testing.assert_allclose(x[start], growth[:8], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(y[start], growth[8], rtol=1e-6, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    apart=st.lists(st.sampled_from([1, 1, 1, 1, 2, 7]), max_size=40),
    window=st.integers(1, 5),
    step=st.sampled_from([DAY, np.timedelta64(1, "h"), np.timedelta64(4, "h")]),
)
def test_no_window_and_no_target_is_across_a_gap(
    apart: list[int], window: int, step: np.timedelta64
) -> None:
    numbers = np.cumsum([0, *apart])
    closes = walk(len(numbers))[0]
    x, y = LSTM(window=window)._examples(closes, START + numbers * step, step)
    wanted = [
        closes[i : i + window + 1] / closes[i] - 1
        for i in range(len(closes) - window)
        if list(numbers[i : i + window + 1]) == [*range(numbers[i], numbers[i] + window + 1)]
    ]
    assert x.shape == (len(wanted), window)
    assert y.shape == (len(wanted),)
    for growth, inputs, target in zip(wanted, x, y, strict=True):
        np.testing.assert_allclose(inputs, growth[:-1], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(target, growth[-1], rtol=1e-6, atol=1e-7)


def test_rows_before_a_gap_are_trained_on_and_those_of_the_last_run_forecast_from() -> None:
    model = LSTM(**quick)
    closes, dates = walk(60)
    broken = dates.copy()
    broken[30:] += 5 * DAY
    other = closes.copy()
    other[:30] *= np.linspace(1, 3, 30)  # before the gap
    fits = [model.fit(Panel.from_series([("coin", c, broken)]), seed=0) for c in (closes, other)]
    kernels = [fit.weights.arrays["kernel_0"] for fit in fits]
    assert not np.array_equal(*kernels)
    # From the same weights the same comes out, whatever was before the gap.
    panels = [Panel.from_series([("coin", c, broken)]) for c in (closes, other)]
    one, two = (model.predict(fits[0], panel, 4) for panel in panels)
    assert np.array_equal(one, two)


def test_the_last_run_must_hold_a_window_and_a_horizon() -> None:
    model = LSTM(**quick)
    closes, dates = walk(40)
    for rows, enough in ((13, True), (12, False)):
        broken = dates.copy()
        broken[-rows:] += DAY
        result = run_model(model, Panel.from_series([("coin", closes, broken)]), 5)
        assert (result.coins == ("coin",)) == enough
    [failure] = result.failures
    assert failure.message.startswith("coin: 12 rows after its last gap, from 2017-10-20")
    assert "lstm needs 13 without a gap for a horizon of 5" in failure.message


def test_the_unit_of_prices_does_not_matter() -> None:
    closes = walk(60)[0]
    model = LSTM(**quick)
    one, other = (
        model.forecast(one_coin(prices), 5, seed=0) for prices in (closes, closes * 2.0**20)
    )
    assert np.array_equal(one * 2.0**20, other)


# Of 60 closes and windows of 8 there are 52 examples, the last 13 of which are a quarter; the
# close before the last 13 closes is the last one that a trained window or its target reaches.
HELD_OUT = LSTM(**quick, validation_split=0.25, shuffle=True, epochs=2)


def test_the_windows_held_out_are_the_last_and_do_not_touch_the_weights() -> None:
    closes = walk(60)[0]
    later = closes.copy()
    later[-13:] *= np.linspace(2, 5, 13)
    earlier = closes.copy()
    earlier[-14] *= 1.5
    fit, fit_later, fit_earlier = (
        HELD_OUT.fit(one_coin(c), seed=0) for c in (closes, later, earlier)
    )
    for name, array in fit.weights.arrays.items():
        assert np.array_equal(array, fit_later.weights.arrays[name])
    assert fit.losses[0, 0] == fit_later.losses[0, 0]
    assert fit.losses[0, 1] != fit_later.losses[0, 1]
    kernels = (f.weights.arrays["kernel_0"] for f in (fit, fit_earlier))
    assert not np.array_equal(*kernels)


def test_the_validation_loss_is_the_squared_error_over_the_windows_held_out() -> None:
    panel = one_coin(walk(60)[0])
    fit = HELD_OUT.fit(panel, seed=0)
    x, y = windows_of(HELD_OUT, panel.values)
    error = forward(fit.weights, x[None, -13:])[0] - y[-13:]
    assert fit.losses.shape == (1, 2)
    assert fit.losses[0, 1] == pytest.approx(np.mean(error**2), rel=1e-5)


def test_without_windows_held_out_there_is_no_validation_loss() -> None:
    fit = LSTM(**quick, validation_split=0.0).fit(make_panel([30]), seed=0)
    assert np.isfinite(fit.losses[0, 0])
    assert np.isnan(fit.losses[0, 1])


@pytest.mark.parametrize("split", [0.0, 0.5, 0.99])
def test_the_fewest_rows_are_enough_whatever_is_held_out(split: float) -> None:
    model = LSTM(**quick, validation_split=split)
    result = run_model(model, make_panel([9]), 1)
    assert result.failures == []
    assert np.isfinite(result.values).all()


@pytest.mark.parametrize(("window", "rows"), [(200, 60), (56, 60), (60, 60)])
def test_a_window_longer_than_the_series_is_too_short(window: int, rows: int) -> None:
    result = run_model(LSTM(window=window), make_panel([rows]), 5)
    [failure] = result.failures
    assert failure.exception == "TooShortError"
    assert failure.message == f"coin-0: {rows} rows, lstm needs {window + 5} for a horizon of 5"


def test_a_network_that_blew_up_is_a_forecast_error_and_hurts_no_other_coin() -> None:
    """Growth of a millionfold a day, at a learning rate far too high for it."""
    model = LSTM(**quick, optimizer="sgd", learning_rate=1e30)
    wild = one_coin(np.array([1e-9, 1e9] * 30), "wild")
    result = run_model(model, wild, 5)
    assert [f.exception for f in result.failures] == ["ForecastError"]
    sane = make_panel([60])
    before = run_model(LSTM(**quick), sane, 5).values
    run_model(LSTM(**quick), wild, 5)
    assert np.array_equal(before, run_model(LSTM(**quick), sane, 5).values)


@pytest.mark.parametrize("option", ["loss", "optimizer"])
def test_a_name_that_keras_does_not_know_is_an_option_error(option: str) -> None:
    model = create_model("lstm", **quick, **{option: "nonsense"})
    with pytest.raises(
        OptionError,
        match=f"lstm {option}: 'nonsense' is not in Keras; its documentation lists each {option}",
    ):
        run_model(model, make_panel([30, 40]), 3)


@pytest.mark.parametrize("loss", ["ctc", "Loss"])
def test_a_loss_that_is_not_for_one_number_is_an_option_error(loss: str) -> None:
    with pytest.raises(OptionError, match=f"lstm loss: '{loss}' is not for one number a window"):
        run_model(LSTM(**quick, loss=loss), make_panel([30]), 3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window": 0}, "lstm window: must be at least 1, got 0"),
        ({"batch_size": -3}, "lstm batch_size: must be at least 1, got -3"),
        ({"epochs": 0}, "lstm epochs: must be at least 1, got 0"),
        ({"units": ()}, "lstm units: one layer of 1 unit at least, got ()"),
        ({"units": (50, 0)}, "lstm units: one layer of 1 unit at least, got (50, 0)"),
        ({"dropout": 1.0}, "lstm dropout: must be in [0, 1), got 1.0"),
        ({"dropout": -0.1}, "lstm dropout: must be in [0, 1), got -0.1"),
        ({"dropout": np.nan}, "lstm dropout: must be in [0, 1), got nan"),
        ({"validation_split": 1}, "lstm validation_split: must be in [0, 1), got 1"),
        ({"learning_rate": 0.0}, "lstm learning_rate: must be above 0 and finite, got 0.0"),
        ({"learning_rate": np.nan}, "lstm learning_rate: must be above 0 and finite, got nan"),
        ({"learning_rate": np.inf}, "lstm learning_rate: must be above 0 and finite, got inf"),
        ({"recurrent_dropout": 1.0}, "lstm recurrent_dropout: must be in [0, 1), got 1.0"),
        ({"weight_decay": -0.1}, "lstm weight_decay: must be at least 0 and finite, got -0.1"),
        ({"weight_decay": np.nan}, "lstm weight_decay: must be at least 0 and finite, got nan"),
        ({"patience": -1}, "lstm patience: must be at least 0, got -1"),
        (
            {"patience": 2, "epochs": 9, "validation_split": 0.0},
            "lstm patience: 2 with validation_split 0: training stops by the loss over windows "
            "held out, and none are; set validation_split, as 0.1",
        ),
        (
            {"patience": 2},
            "lstm patience: 2 with epochs 1: training can't stop before its only epoch; set "
            "epochs to the most that training may take, as 50",
        ),
        ({"activation": "soft"}, f"lstm activation: 'soft' is none of {', '.join(ACTIVATIONS)}"),
    ],
)
def test_an_option_out_of_its_range_is_told_by_name_value_and_rule(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(OptionError) as caught:
        LSTM(**options)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    "option",
    [
        {"window": 9},
        {"units": (4, 7)},
        {"dropout": 0.4},
        {"batch_norm": True},
        {"activation": "tanh"},
        {"loss": "mae"},
        {"optimizer": "adam"},
        {"learning_rate": 0.01},
        {"batch_size": 20},
        {"epochs": 2},
        {"validation_split": 0.5},
        {"shuffle": False},
        {"features": "lag:1"},
        {"recurrent_dropout": 0.3},
        {"weight_decay": 1.0},
    ],
    ids=lambda option: next(iter(option)),
)
def test_every_option_does_something(option: dict[str, Any]) -> None:
    panel = make_panel([60])
    plain = LSTM(**quick).forecast(panel, 5, seed=0)
    assert (LSTM(**quick | option).forecast(panel, 5, seed=0) != plain).all()


def test_randomness_is_that_of_seed_model_and_coin(keras: Any) -> None:
    """Not of the place in the panel, nor of what else was drawn."""
    from cryptodask.models.lstm.training import trainer

    model, panel = LSTM(**quick, validation_split=0.0), make_panel([60])
    weights, _ = trainer(model).fit(*windows_of(model, panel.values), rng_for(5, "lstm", "coin-0"))
    for name, array in model.fit(panel, seed=5).weights.arrays.items():
        assert np.array_equal(array[0], weights.arrays[name])


@pytest.mark.slow
def test_the_default_network_keeps_batches_and_singles_equal_bit_for_bit() -> None:
    model, panel = LSTM(), make_panel([90, 140, 70], gaps=True, run=65)
    together = model.forecast(panel, 10, seed=1)
    alone = [model.forecast(panel.take([i]), 10, seed=1) for i in (2, 0, 1)]
    assert np.array_equal(together[[2, 0, 1]], np.concatenate(alone))


def test_early_stopping_is_part_of_a_forecast() -> None:
    panel = make_panel([60])
    base = quick | {"validation_split": 0.3, "epochs": 12, "learning_rate": 0.05}
    models = [LSTM(**base, patience=n) for n in (0, 1, 11)]
    forecasts = [model.forecast(panel, 5, 0) for model in models]
    assert len({forecast.tobytes() for forecast in forecasts}) == 3
    last, stopped, best = (model.fit(panel, 0).losses[0, 1] for model in models)
    assert best < min(last, stopped)  # of all epochs, and told with the network that is kept
