"""One Keras network for all coins: the same however they are divided, also for other coins."""

from typing import Any

import numpy as np
import pytest

from cryptodask.errors import ForecastError, TooShortError
from cryptodask.models import create_model
from cryptodask.models.keras import PooledKerasNetwork
from cryptodask.models.lstm.inputs import Measure
from cryptodask.runs.model_spec import ModelSpec
from tests.models.conftest import make_panel

SMALL: dict[str, Any] = {"window": 8, "epochs": 2, "batch_size": 16, "params": {"units": 4}}


def test_pooled_is_an_option() -> None:
    model = create_model("keras:gru", window=8, pooled="yes", units=4, epochs=2, batch_size=16)
    assert model == PooledKerasNetwork("gru", **SMALL)
    spec = ModelSpec.of(model)
    assert spec.options is not None
    assert spec.options["pooled"] is True
    assert spec.create() == model
    assert model != create_model("keras:gru", window=8, units=4, epochs=2, batch_size=16)


def test_it_trains_on_the_windows_of_all_coins_in_the_order_of_their_names() -> None:
    model, panel = PooledKerasNetwork("gru", **SMALL), make_panel([40, 30])
    gathered = model.prepare(panel.take([1])) + model.prepare(panel.take([0]))
    joined = model.join(gathered)
    assert joined is not None
    rows, starts = joined.rows, joined.starts
    x, y = rows.examples(starts, 8, 1, Measure.of(rows.trained_rows(starts, 8)))
    closes = [panel.values[:40], panel.values[40:]]
    expected = [c[i : i + 9] / c[i] - 1 for c in closes for i in range(len(c) - 8)]
    np.testing.assert_allclose(x[..., 0], [e[:8] for e in expected], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(y[:, 0], [e[8] for e in expected], rtol=1e-6, atol=1e-7)


def test_a_coin_that_it_was_not_trained_on_is_forecast() -> None:
    model, panel = PooledKerasNetwork("gru", **SMALL), make_panel([60, 50, 9])
    known = model.learn(panel.take([0, 1]), 1, seed=0)
    assert known.coins is None
    assert np.isfinite(model.forecast_from(known, panel, 5, seed=0)).all()


@pytest.mark.parametrize("name", ["gru", "tcn", "transformer"])
def test_a_row_has_the_same_bits_among_any_number_of_others(name: str) -> None:
    """Of the sizes of a default network, and of more coins than a call takes."""
    model = PooledKerasNetwork(name, epochs=1, params={"units": 32})
    panel = make_panel(np.random.default_rng(0).integers(51, 60, 150).tolist())
    known = model.learn(panel.take(range(5)), 1, seed=0)
    together = model.forecast_from(known, panel, 3, seed=0)
    for i in (0, 63, 64, 100, 149):
        alone = model.forecast_from(known, panel.take([i]), 3, seed=0)
        assert np.array_equal(alone[0], together[i])
    some = [149, 3, 70, 12]
    values = model.forecast_from(known, panel.take(some), 3, seed=0)
    assert np.array_equal(values, together[some])


def test_without_a_window_there_is_nothing_to_train_on() -> None:
    model = PooledKerasNetwork("gru", **SMALL)
    with pytest.raises(TooShortError, match="no coin has 9 rows without a gap"):
        model.learn(make_panel([8]), 1, seed=0)


def test_a_loss_that_is_not_finite_is_of_all_coins(builders: str) -> None:
    model = create_model(f"keras:{builders}:exploding", window=8, pooled=True)
    with pytest.raises(ForecastError, match=r"2 coins: .* the loss is (nan|inf) in epoch"):
        model.forecast(make_panel([60, 50]), 3, seed=0)
