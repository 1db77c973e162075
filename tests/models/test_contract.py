"""What every model of the catalog must do, whatever it is."""

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.models import Model, create_model, describe_model, list_models, run_model
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.pooled.base import is_pooled, train
from cryptodask.records import DAY, Panel
from tests.models.conftest import (
    OF_LIBRARIES,
    QUICK,
    START,
    join,
    make_panel,
    need_package,
    one_coin,
    panels,
    walk,
)

RANDOM = {"random", "lstm", "lstm_global", "sklearn:sklearn.ensemble.ExtraTreesRegressor"}
"""The models whose forecasts depend on the seed."""

POOLED = {"lstm_global", "pooled_linear"}
"""Those that are trained on all coins together, and whose coins have no randomness of their own."""

BOUNDED = {"naive", "random"}
"""Those that look at a coin's last rows and at no other."""

BOUND_TO_LEVEL = {"stats:Theta"}
"""Those to which logs of higher prices are larger numbers, not the same ones further up."""

SLOW = {"prophet"}
"""Those that start a process for every fit."""

few = settings(max_examples=8, deadline=None)


VARIANTS = {
    "lstm of features": LSTM(
        **QUICK["lstm"],
        features="lag:1-2 std:4 rsi:5",
        recurrent_dropout=0.3,
        weight_decay=0.01,
        validation_split=0.2,
        epochs=3,
        patience=1,
    )
}
"""Options of models that make of one almost another."""


@pytest.fixture(params=[*list_models(), *OF_LIBRARIES, *VARIANTS], scope="module")
def model(request: pytest.FixtureRequest) -> Model:
    if request.param in VARIANTS:
        return VARIANTS[request.param]
    need_package(request.param)
    return create_model(request.param, **QUICK.get(request.param, {}))


def settled(model: Model) -> Model:
    """What forecasts coin by coin: a pooled model after its training, any other as it is."""
    return model.trained(train(model, make_panel([60, 40]), 1)) if is_pooled(model) else model


def shortest(model: Model, horizon: int) -> int:
    """Return the fewest rows that a coin of a test may have."""
    return max(model.min_length(horizon), 2)


@pytest.mark.parametrize("horizon", [1, 25])
def test_every_coin_gets_a_finite_price_for_every_day(model: Model, horizon: int) -> None:
    short = shortest(model, horizon)
    panel = make_panel([short, 80, short + 7], gaps=True, run=short + 1)
    result = run_model(model, panel, horizon)
    assert result.failures == []
    assert result.model == model.name
    assert result.coins == panel.coins
    assert result.values.shape == result.dates.shape == (3, horizon)
    assert result.values.dtype == np.float64
    assert np.isfinite(result.values).all()
    assert np.array_equal(result.cutoffs, panel.last_dates)
    for cutoff, dates in zip(result.cutoffs, result.dates, strict=True):
        assert np.array_equal(dates, cutoff + np.arange(1, horizon + 1) * DAY)


def one_coin_with_a_gap(run: int) -> Panel:
    """A coin that has a gap, and then so many rows."""
    closes, dates = walk(run + 5)
    dates[5:] += 3 * DAY
    return Panel.from_series([("gap", closes, dates)])


def in_bars(panel: Panel, step: np.timedelta64) -> Panel:
    """The same closes with bars of another length, as far apart in bars as they were in days."""
    numbers = (panel.dates - START) // DAY
    return Panel(panel.coins, panel.values, START + numbers * step, panel.indptr, step)


@pytest.mark.parametrize("hours", [1, 4])
def test_hours_are_forecast_as_days_are_and_their_dates_are_hours(model: Model, hours: int) -> None:
    short = shortest(model, 3)
    days = make_panel([short, 80], gaps=True, run=short + 1)
    step = np.timedelta64(hours, "h")
    bars = in_bars(days, step)
    one, other = (run_model(model, panel, 3, seed=2) for panel in (days, bars))
    assert one.failures == other.failures == []
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(other.cutoffs, bars.last_dates)
    for cutoff, dates in zip(other.cutoffs, other.dates, strict=True):
        assert np.array_equal(dates, cutoff + np.arange(1, 4) * step)


def test_a_coin_whose_last_gap_is_late_fails_by_name_where_the_model_splits_at_gaps(
    model: Model,
) -> None:
    closes, dates = walk(80)
    late = dates.copy()
    late[-2:] += 3 * DAY
    panel = Panel.from_series([("late", closes, late), ("whole", closes, dates)])
    result = run_model(model, panel, 3)
    if model.gaps == "leave":
        assert result.coins == ("late", "whole")
        return
    assert result.coins == ("whole",)
    [failure] = result.failures
    assert (failure.coin, failure.exception) == ("late", "TooShortError")
    assert failure.message.startswith("late: 2 rows after its last gap, from ")
    assert f"{model.name} needs {model.min_length(3)} without a gap" in failure.message


def test_how_long_a_gap_is_does_not_matter_where_the_model_splits_at_gaps(model: Model) -> None:
    closes, dates = walk(80)
    far, near = dates.copy(), dates.copy()
    for shifted, by in ((far, 500), (near, 1)):
        shifted[20:] += by * DAY
        shifted[45:] += by * DAY
    one, other, whole = (
        run_model(model, Panel.from_series([("coin", closes, d)]), 3).values
        for d in (far, near, dates)
    )
    if model.gaps == "split":
        assert np.array_equal(one, other)
        assert not np.array_equal(one, whole)  # a row after a gap is none after the one before


def test_no_coin_gives_no_forecast(model: Model) -> None:
    assert model.forecast(make_panel([]), 7, seed=0).shape == (0, 7)
    assert run_model(model, make_panel([]), 7).values.shape == (0, 7)


def test_same_seed_gives_the_same_forecast(model: Model) -> None:
    panel = make_panel([40, 60])
    again = replace(model)
    first = run_model(model, panel, 5, seed=3).values
    assert np.array_equal(first, run_model(model, panel, 5, seed=3).values)
    assert np.array_equal(first, run_model(again, panel, 5, seed=3).values)


def test_another_seed_gives_every_coin_another_forecast_if_the_model_is_random(
    model: Model,
) -> None:
    panel = make_panel([40, 60])
    changed = run_model(model, panel, 5, seed=3).values != run_model(model, panel, 5, seed=4).values
    assert changed.all() if model.name in RANDOM else not changed.any()


def test_coins_of_the_same_prices_differ_only_by_randomness(model: Model) -> None:
    closes, dates = walk(50)
    twins = Panel.from_series([("one", closes, dates), ("other", closes, dates)])
    one, other = run_model(model, twins, 5).values
    differ = model.name in RANDOM - POOLED
    assert (one != other).all() if differ else np.array_equal(one, other)


def test_prices_in_another_currency_are_forecast_in_it(model: Model) -> None:
    panel = make_panel([60, 80])
    other = replace(panel, values=panel.values * 1024)
    one, two = (run_model(model, p, 5, seed=1).values for p in (panel, other))
    assert np.allclose(two, one * 1024, rtol=1e-4, atol=0) == (model.name not in BOUND_TO_LEVEL)


def test_input_is_left_intact(model: Model) -> None:
    panel, untouched = make_panel([40, 60]), make_panel([40, 60])
    for array in (panel.values, panel.dates, panel.indptr):
        array.setflags(write=False)
    forecast = model.forecast(panel, 5, seed=0)
    assert not np.shares_memory(forecast, panel.values)
    for name in ("values", "dates", "indptr"):
        assert np.array_equal(getattr(panel, name), getattr(untouched, name))


@few
@given(data=st.data())
def test_a_batch_of_many_equals_many_batches_of_one_bit_for_bit(
    model: Model, data: st.DataObject
) -> None:
    model = settled(model)
    panel = data.draw(panels(shortest(model, 3), most=2 if model.name in SLOW else 5))
    together = model.forecast(panel, 3, seed=1)
    alone = [model.forecast(panel.take([i]), 3, seed=1) for i in range(len(panel))]
    assert np.array_equal(together, np.concatenate(alone))


@few
@given(data=st.data())
def test_neither_the_order_nor_the_company_of_a_coin_matters_bit_for_bit(
    model: Model, data: st.DataObject
) -> None:
    model = settled(model)
    panel = data.draw(panels(shortest(model, 3), most=2 if model.name in SLOW else 5))
    coins = st.integers(0, len(panel) - 1)
    chosen = data.draw(st.lists(coins, min_size=1, unique=True))
    whole = model.forecast(panel, 3, seed=1)
    assert np.array_equal(whole[chosen], model.forecast(panel.take(chosen), 3, seed=1))


@few
@given(data=st.data())
def test_rows_before_those_that_a_model_looks_at_make_no_difference(
    model: Model, data: st.DataObject
) -> None:
    needed = model.lookback(3)
    assert (needed is not None) == (model.name in BOUNDED)
    if needed is None:
        return
    assert needed >= model.min_length(3)
    panel = data.draw(panels(shortest(model, 3)))
    tails = Panel.from_series((c, v[-needed:], d[-needed:]) for c, v, d in panel)
    one, other = (run_model(model, p, 3, seed=1) for p in (panel, tails))
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.dates, other.dates)


@few
@given(data=st.data())
def test_that_a_panel_is_known_to_be_even_makes_no_difference(
    model: Model, data: st.DataObject
) -> None:
    model = settled(model)
    lengths = data.draw(st.lists(st.integers(shortest(model, 3), 60), min_size=1, max_size=4))
    panel = make_panel(lengths, data.draw(st.integers(0, 2**20)))
    gapped = one_coin_with_a_gap(shortest(model, 3))
    one, known, beside = (
        model.forecast(p, 3, seed=1)
        for p in (panel, replace(panel, even=True), join([panel, gapped]))
    )
    assert np.array_equal(one, known)
    assert np.array_equal(one, beside[:-1])  # where dates are looked at, since another has a gap


@pytest.mark.parametrize("horizon", [1, 25])
def test_a_coin_that_is_too_short_fails_alone_and_by_name(model: Model, horizon: int) -> None:
    enough = model.min_length(horizon)
    good = make_panel([max(enough, 2), 60])
    panel = join([good.take([0]), one_coin(walk(enough - 1)[0], "young"), good.take([1])])
    result = run_model(model, panel, horizon)
    assert result.coins == good.coins
    assert np.array_equal(result.values, run_model(model, good, horizon).values)
    [failure] = result.failures
    assert (failure.coin, failure.model) == ("young", model.name)
    assert failure.exception == "TooShortError"
    assert failure.message.startswith(f"young: {enough - 1} rows, {model.name} needs {enough}")


def test_a_constant_coin_fails_alone_where_there_has_to_be_variation(model: Model) -> None:
    good = make_panel([60])
    result = run_model(model, join([one_coin(np.full(60, 0.25), "flat"), good]), 5)
    forecasts = dict(zip(result.coins, result.values, strict=True))
    assert np.array_equal(forecasts["coin-0"], run_model(model, good, 5).values[0])
    if model.needs_variation:
        [failure] = result.failures
        assert (failure.coin, failure.exception) == ("flat", "ConstantSeriesError")
        assert "0.25" in failure.message
    else:
        assert result.failures == []
        assert np.isfinite(forecasts["flat"]).all()


def close_of(value: float) -> Callable[[Panel], None]:
    def spoil(panel: Panel) -> None:
        panel.values[30] = value

    return spoil


def date_of(day: np.datetime64) -> Callable[[Panel], None]:
    def spoil(panel: Panel) -> None:
        panel.dates[30] = day

    return spoil


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(close_of(np.nan), "close nan on 2017-10-23", id="nan"),
        pytest.param(close_of(np.inf), "close inf on", id="infinite"),
        pytest.param(close_of(0.0), "close 0.0 on", id="zero"),
        pytest.param(close_of(-3.0), "close -3.0 on", id="negative"),
        pytest.param(date_of(walk(29)[1][-1]), "dates must rise", id="unsorted"),
        pytest.param(date_of(walk(30)[1][-1]), "dates must rise", id="twice"),
        pytest.param(date_of(np.datetime64("NaT", "s")), "a date is missing", id="no date"),
    ],
)
def test_a_coin_that_is_no_series_of_prices_fails_alone_and_by_name(
    model: Model, spoil: Callable[[Panel], None], told: str
) -> None:
    bad = Panel.from_series([("bad", *walk(60))])
    spoil(bad)
    good = make_panel([60])
    result = run_model(model, join([bad, good]), 5)
    assert result.coins == good.coins
    assert np.array_equal(result.values, run_model(model, good, 5).values)
    [failure] = result.failures
    assert (failure.coin, failure.exception) == ("bad", "BrokenSeriesError")
    assert failure.message.startswith(f"bad: {told}")


def test_a_model_travels_and_works_the_same_there(model: Model) -> None:
    panel = make_panel([60])
    copy = pickle.loads(pickle.dumps(model))
    assert type(copy) is type(model)
    assert copy == model
    assert np.array_equal(copy.forecast(panel, 5, seed=0), model.forecast(panel, 5, seed=0))


def test_options_are_frozen_and_hashable(model: Model) -> None:
    twin = replace(model)
    assert twin == model
    assert hash(twin) == hash(model)
    assert len({twin, model}) == 1
    for name in [f.name for f in fields(type(model))] or ["window"]:
        with pytest.raises(FrozenInstanceError):
            setattr(model, name, 3)


def test_the_catalog_and_the_model_agree_on_what_it_is(model: Model) -> None:
    assert is_pooled(model) == (model.name in POOLED)
    assert model.name in (*list_models(), *OF_LIBRARIES)
    assert model.cost > 0
    assert describe_model(model.name)
    assert 1 <= model.min_length(1) <= model.min_length(25)
