"""One network for all coins: exact sums, however the coins are divided, and what it can do."""

from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import ForecastError, OptionError, TooShortError
from cryptodask.models import create_model, run_model
from cryptodask.models.fitting import sound_coins
from cryptodask.models.lstm.forward import forward
from cryptodask.models.lstm.global_training import (
    LOSS_UNIT,
    NORM_LIMIT,
    UNIT,
    State,
    Sums,
    adam,
    coin_sums,
    first_values,
    to_weights,
)
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.lstm.lstm_global import LSTMGlobal
from cryptodask.models.lstm.weights import Weights, shapes_of
from cryptodask.models.pooled.base import is_pooled, train
from cryptodask.records import DAY, Panel
from cryptodask.worker.train import contribute
from tests.models.conftest import START, join, make_panel, one_coin, walk
from tests.models.reference import build_network, load_weights

MODEL = LSTMGlobal(window=8, units=(4, 6), steps=5, sample=16, learning_rate=0.01)


def vector(units: tuple[int, ...], seed: int = 0) -> Any:
    """A network whose every weight is something."""
    n = len(first_values(units, np.random.default_rng(0)))
    return np.random.default_rng(seed).normal(0, 0.5, n).astype(np.float32)


@pytest.mark.parametrize("units", [(5,), (4, 6), (3, 2, 4)])
def test_the_gradient_is_that_of_keras(keras: Any, units: tuple[int, ...]) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(7, 9)).astype(np.float32), rng.normal(size=7).astype(np.float32)
    weights = vector(units) / 8
    network = build_network(LSTM(window=9, units=units, dropout=0.0))
    single = {name: a[0] for name, a in to_weights(weights, units).arrays.items()}
    load_weights(network, Weights(single))
    with tf.GradientTape() as tape:
        output = network(x[..., None], training=True)[:, 0]
        loss = tf.reduce_mean(keras.losses.huber(y[:, None], output[:, None]))
    parts = tape.gradient(loss, network.trainable_variables)
    expected = np.concatenate([g.numpy().ravel() for g in parts])
    assert np.linalg.norm(expected) < NORM_LIMIT  # or else ours would be shortened
    sums = coin_sums(weights, x, y, units, 7)
    np.testing.assert_allclose(sums.gradient * UNIT, expected, atol=1e-6)
    assert sums.loss * LOSS_UNIT == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(
        forward(to_weights(weights, units), x[None])[0], output.numpy(), atol=1e-6
    )


def test_fewer_windows_than_a_sample_weigh_less_and_are_not_padded_with_anything() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(3, 7)).astype(np.float32), rng.normal(size=3).astype(np.float32) / 99
    few = coin_sums(vector((4, 6)), x, y, (4, 6), 16)
    alone = coin_sums(vector((4, 6)), x, y, (4, 6), 3)
    assert (few.windows, few.coins) == (3, 1)
    np.testing.assert_allclose(few.gradient * 16, alone.gradient * 3, rtol=1e-3, atol=3e-6 / UNIT)
    assert few.loss * 16 == pytest.approx(alone.loss * 3, rel=1e-3)


def test_a_coins_gradient_is_short_enough_for_eight_million_coins() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(16, 7)).astype(np.float32)
    y = np.full(16, 1e3, np.float32)
    sums = coin_sums(50 * vector((4, 6)), x, y, (4, 6), 16)
    norm = float(np.sqrt(((sums.gradient * UNIT) ** 2).sum()))
    assert norm == pytest.approx(NORM_LIMIT, rel=1e-6)
    assert abs(sums.gradient).max() * (2**23 - 1) < 2**63
    assert sums.loss > 0


def test_sums_are_the_same_in_any_order_and_grouping() -> None:
    rng = np.random.default_rng(4)
    some = [Sums(rng.integers(-(2**40), 2**40, 9), int(rng.integers(9)), 2, 1) for _ in range(20)]
    whole = reduce(add, some)
    halves = reduce(add, some[13:]) + reduce(add, reversed(some[:13]))
    assert np.array_equal(whole.gradient, halves.gradient)
    assert (whole.loss, whole.windows, whole.coins) == (halves.loss, 40, 20)


@pytest.mark.parametrize("decay", [0.0, 3.0])
def test_adam_takes_the_steps_of_keras(keras: Any, decay: float) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=6)
    variable = keras.Variable(values.astype(np.float32))
    optimizer = keras.optimizers.Adam(0.01, weight_decay=decay or None)
    state = State.of(values)
    for _ in range(10):
        gradient = rng.normal(size=6) / 100
        sums = Sums(np.rint(gradient * 3 / 4 / UNIT).astype(np.int64), windows=3)
        state = adam(state, sums, 4, 0.01, decay)
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [variable])
    np.testing.assert_allclose(state.values, variable.numpy(), atol=5e-5)


def test_weight_decay_is_part_of_training() -> None:
    panel = make_panel([60, 40])
    plain, decayed = (
        replace(MODEL, weight_decay=decay).forecast(panel, 3, seed=0) for decay in (0.0, 5.0)
    )
    assert np.array_equal(plain, MODEL.forecast(panel, 3, seed=0))
    assert (plain != decayed).all()


def test_a_step_without_windows_changes_nothing() -> None:
    state = State.of(np.arange(3.0))
    after = adam(state, Sums(np.zeros(3, np.int64)), 4, 0.01)
    assert np.array_equal(after.values, state.values)
    assert after.decay_1 == 1
    assert np.isnan(after.losses).tolist() == [True]


def test_a_network_starts_from_no_change() -> None:
    assert len(first_values((4, 6), np.random.default_rng(0))) == sum(
        int(np.prod(shape)) for shape in shapes_of((4, 6)).values()
    )
    weights = to_weights(MODEL.message(MODEL.begin(3)), (4, 6))
    assert not forward(weights, np.random.default_rng(0).normal(size=(5, 1, 7))).any()


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_network_is_the_same_however_the_coins_are_divided(data: st.DataObject) -> None:
    panel = make_panel([60, 9, 33, 12, 8, 47], data.draw(st.integers(0, 2**20)))
    order = data.draw(st.permutations(range(len(panel))))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(panel) - 1))))
    parts = [panel.take(part) for part in np.split(np.array(order), cuts)]
    prepared = [MODEL.prepare(part) for part in parts]
    state = MODEL.begin(7)
    for step in range(MODEL.steps):
        message = MODEL.message(state)
        sums = [contribute(MODEL, 7, [one], message, step) for one in reversed(prepared)]
        assert np.array_equal(
            reduce(add, sums).gradient, contribute(MODEL, 7, prepared, message, step).gradient
        )
        state = MODEL.advance(state, reduce(add, sums))
    whole = train(MODEL, panel, 7)
    assert np.array_equal(state.values, whole.values)
    assert state.losses == whole.losses
    expected = run_model(MODEL, panel, 5, 7)
    trained = run_model(MODEL.trained(state), panel, 5, 7)
    assert np.array_equal(trained.values, expected.values)
    assert trained.model == expected.model == "lstm_global"


def test_training_depends_on_the_seed_and_on_it_alone() -> None:
    panel = make_panel([60, 40])
    one, again, other = (train(MODEL, panel, seed).values for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert (one != other).any()
    first, second = (MODEL.contribute(MODEL.prepare(panel), MODEL.message(MODEL.begin(1)), s, 1)
                     for s in (0, 1))  # fmt: skip
    assert (first.gradient != second.gradient).any()


def test_a_coin_that_it_never_saw_is_forecast() -> None:
    state = train(MODEL, make_panel([60, 40]), 0)
    unseen = make_panel([30], seed=99)
    result = run_model(MODEL.trained(state), unseen, 4)
    assert result.failures == []
    assert np.isfinite(result.values).all()
    assert len(set(result.values[0])) == 4


def test_price_and_currency_do_not_matter() -> None:
    panel = make_panel([60, 40])
    cheap = Panel.from_series((c, v / 1024, d) for c, v, d in panel)
    np.testing.assert_allclose(
        MODEL.forecast(cheap, 5, 0) * 1024, MODEL.forecast(panel, 5, 0), rtol=1e-6
    )


def test_a_short_coin_contributes_nothing_and_is_forecast() -> None:
    long = make_panel([60, 40])
    short = one_coin(walk(8, 77)[0], "short")
    both = join([long, short])
    assert np.array_equal(train(MODEL, both, 0).values, train(MODEL, long, 0).values)
    result = run_model(MODEL, both, 3)
    assert result.coins == (*long.coins, "short")
    assert np.array_equal(result.values[:2], run_model(MODEL, long, 3).values)


def test_no_coin_to_train_on_is_told_of_every_coin() -> None:
    short = make_panel([8, 8])
    with pytest.raises(TooShortError, match="no coin has 9 rows without a gap"):
        MODEL.fit(short, 0)
    failures = run_model(MODEL, short, 3).failures
    assert [(f.coin, f.exception) for f in failures] == [
        ("coin-0", "TooShortError"),
        ("coin-1", "TooShortError"),
    ]


def test_no_window_crosses_a_gap_or_holds_a_still_price() -> None:
    closes, dates = walk(40)
    dates = np.concatenate([dates[:15], dates[15:] + 3 * DAY])
    closes[25:36] = closes[25]
    examples = MODEL.prepare(Panel.from_series([("gap", closes, dates)]))
    # Windows and targets are 9 rows: of the 32 beginnings, those of 7 to 14 cross the gap, and in
    # the 8 closes from row 25 to 28 nothing moves.
    expected = [i for i in range(32) if not 7 <= i <= 14 and not 25 <= i <= 28]
    assert examples.starts.tolist() == expected
    assert examples.returns.tolist() == np.diff(np.log(closes)).astype(np.float32).tolist()


def test_only_the_latest_rows_are_trained_on() -> None:
    model = LSTMGlobal(window=8, units=(4,), max_rows=20)
    closes, dates = walk(60)
    latest = Panel.from_series([("coin", closes[-20:], dates[-20:])])
    whole, cut = (model.prepare(p) for p in (Panel.from_series([("coin", closes, dates)]), latest))
    assert whole.returns.tolist() == cut.returns.tolist()
    assert whole.starts.tolist() == cut.starts.tolist() == list(range(12))


def test_a_share_of_the_coins_is_drawn_anew_in_each_step() -> None:
    model = LSTMGlobal(window=8, units=(4,), steps=3, sample=4, share=0.5)
    panel = make_panel([12] * 40)
    message = model.message(model.begin(0))
    counts = [model.contribute(model.prepare(panel), message, s, 0).coins for s in range(3)]
    assert all(8 < count < 32 for count in counts)
    assert len(set(counts)) > 1
    assert model.contribute(model.prepare(panel), message, 1, 0).windows == 4 * counts[1]


def test_it_learns_what_all_coins_have_in_common() -> None:
    """Every coin goes up and down by turns; so does the forecast of one that it never saw."""
    model = LSTMGlobal(window=8, units=(8,), steps=150, sample=16, learning_rate=0.02)
    rng = np.random.default_rng(6)
    turns = [0.02 * (-1.0) ** np.arange(60) * rng.uniform(0.5, 2) for _ in range(4)]
    panel = Panel.from_series(
        (f"coin-{i}", np.exp(t.cumsum() + rng.normal(0, 0.001, 60)), START + np.arange(60) * DAY)
        for i, t in enumerate(turns)
    )
    fit = model.fit(panel.take([0, 1, 2]), 0)
    assert fit.losses.shape == (150,)
    assert fit.losses[-1] < fit.losses[0] / 4
    forecast = model.predict(fit, panel.take([3]), 6)[0]
    steps = np.diff(np.log(np.concatenate([panel.values[-1:], forecast])))
    assert np.sign(steps).tolist() == [1, -1] * 3


def test_a_window_in_which_nothing_moves_is_forecast_flat() -> None:
    closes, dates = walk(60)
    closes[-8:] = closes[-8]
    still = Panel.from_series([("still", closes, dates)])
    result = run_model(MODEL, join([make_panel([60]), still]), 3)
    assert result.values[1].tolist() == [closes[-1]] * 3


def test_training_that_diverges_is_told() -> None:
    wild = LSTMGlobal(window=8, units=(4,), steps=4, sample=4, learning_rate=1e38)
    with pytest.raises(ForecastError, match="lower learning_rate"):
        wild.fit(make_panel([60]), 0)


def test_unsound_coins_are_not_trained_on() -> None:
    good = make_panel([60, 40])
    bad = join([one_coin(np.full(60, 2.0), "flat"), one_coin(walk(7)[0], "young"), good])
    sound, failures = sound_coins(MODEL, bad, 3)
    assert sound.coins == good.coins
    assert [failure.coin for failure in failures] == ["flat", "young"]
    assert sound_coins(MODEL, good, 3)[0] is good
    assert np.array_equal(run_model(MODEL, bad, 3).values, run_model(MODEL, good, 3).values)


def test_which_models_are_pooled() -> None:
    assert is_pooled(MODEL)
    assert not is_pooled(create_model("lstm"))
    assert not is_pooled(MODEL.trained(train(MODEL, make_panel([60]), 0)))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window": 1}, "window: must be at least 2, got 1"),
        ({"steps": 0}, "steps: must be at least 1, got 0"),
        ({"sample": 0}, "sample: must be at least 1, got 0"),
        ({"max_rows": 50}, "max_rows: must be at least 51, got 50"),
        ({"units": ()}, "units: one layer of 1 unit at least"),
        ({"units": (4, 0)}, "units: one layer of 1 unit at least"),
        ({"share": 0.0}, r"share: must be in \(0, 1\], got 0.0"),
        ({"share": 1.5}, r"share: must be in \(0, 1\], got 1.5"),
        ({"learning_rate": 0.0}, "learning_rate: must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate: must be above 0"),
        ({"weight_decay": -1.0}, "weight_decay: must be at least 0 and finite, got -1.0"),
    ],
)
def test_options_out_of_range_are_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=f"lstm_global {told}"):
        create_model("lstm_global", **options)
