"""Every model of the catalog obeys the rules that `cryptodask.testing` has for all models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import ContractError, VersionError
from cryptodask.models import Model, create_model, list_models, run_model
from cryptodask.models.lstm.lstm import LSTM
from cryptodask.models.pooled.base import is_pooled
from cryptodask.records import DAY, Panel
from cryptodask.testing import RULES, check_model
from tests.models.conftest import (
    OF_LIBRARIES,
    QUICK,
    make_panel,
    need_package,
    one_coin,
    walk,
)

KERAS = {"keras:gru", "keras:tcn", "keras:transformer"}

RANDOM = {
    "random",
    "lstm",
    "lstm_global",
    "sklearn:sklearn.ensemble.ExtraTreesRegressor",
    *KERAS,
}
"""The models whose forecasts depend on the seed."""

POOLED = {
    "lstm_global",
    "pooled_linear",
    "pooled:xgboost",
    "pooled:lightgbm",
    "pooled:sklearn.linear_model.Ridge",
}
"""Those that are trained on all coins together, and whose coins have no randomness of their own."""

BOUNDED = {"naive", "random"}
"""Those that look at a coin's last rows and at no other."""

BOUND_TO_LEVEL = {"stats:Theta"}
"""Those to which logs of higher prices are larger numbers, not the same ones further up."""

SLOW = {"prophet"}
"""Those that start a process for every fit."""

DRAWN = (
    "forecasts_each_alone",
    "minds_no_order",
    "minds_no_evenness",
    "sees_its_rows_only",
    "batches_dates",
)
"""The rules that draw panels, which other seeds are tried for."""

VARIANTS = {
    "lstm of features": LSTM(
        **QUICK["lstm"],
        features="lag:1-2 std:4 rsi:5",
        recurrent_dropout=0.3,
        weight_decay=0.01,
        validation_split=0.2,
        epochs=3,
        patience=1,
    ),
    "lstm of features in a window": LSTM(**QUICK["lstm"], features="lag:1-2 std:4 mean:6"),
    "keras:tcn of features, for all coins": create_model(
        "keras:tcn", **QUICK["keras:tcn"], features="lag:1-2 std:4", pooled=True
    ),
    "ridge_features of a segment": create_model("ridge_features", features="rsi:5 macd lag:1"),
    "ridge_features of two steps": create_model("ridge_features", target="scaled:5"),
    "ensemble of weights": create_model(
        "ensemble", members="naive,ridge,svr_rbf", how="inverse_error", inner=2
    ),
    "auto of what learns": create_model("auto", members="linear,svr_rbf", shrinkage=0.0, inner=8),
}
"""Options of models that make of one almost another."""


@pytest.fixture(params=[*list_models(), *OF_LIBRARIES, *VARIANTS], scope="module")
def model(request: pytest.FixtureRequest) -> Model:
    if request.param in VARIANTS:
        return VARIANTS[request.param]
    need_package(request.param)
    return create_model(request.param, **QUICK.get(request.param, {}))


@pytest.mark.parametrize("rule", RULES)
def test_rule(model: Model, rule: str) -> None:
    coins = 2 if model.name in SLOW else 5
    if rule == "scales" and model.name in BOUND_TO_LEVEL:
        with pytest.raises(ContractError, match="skip the rule if the level of prices matters"):
            check_model(model, [rule])
        return
    assert check_model(model, [rule], random=model.name in RANDOM, max_coins=coins) == (rule,)


@pytest.mark.parametrize("rule", DRAWN)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**20))
def test_rule_for_any_panel(model: Model, rule: str, seed: int) -> None:
    check_model(model, [rule], seed=seed, max_coins=2 if model.name in SLOW else 5)


def test_a_row_after_a_gap_does_not_follow_the_one_before(model: Model) -> None:
    if model.gaps == "split":
        closes, dates = walk(80)
        apart = dates.copy()
        apart[20:] += DAY
        apart[45:] += DAY
        even, gapped = (
            run_model(model, Panel.from_series([("coin", closes, d)]), 3).values
            for d in (dates, apart)
        )
        assert not np.array_equal(even, gapped)


def test_a_gap_that_is_late_is_named_with_the_rows_that_are_needed(model: Model) -> None:
    closes, dates = walk(80)
    dates[-2:] += 3 * DAY
    result = run_model(model, Panel.from_series([("late", closes, dates)]), 3)
    if model.gaps == "split":
        [failure] = result.failures
        assert f"{model.name} needs {model.min_length(3)} without a gap" in failure.message


def test_coins_of_the_same_prices_differ_only_by_randomness(model: Model) -> None:
    closes, dates = walk(50)
    twins = Panel.from_series([("twin", closes, dates), ("other", closes, dates)])
    first, second = run_model(model, twins, 5).values
    differ = model.name in RANDOM and not is_pooled(model)
    assert (first != second).all() if differ else np.array_equal(first, second)


def test_a_flat_coin_is_forecast_unless_there_has_to_be_variation(model: Model) -> None:
    result = run_model(model, one_coin(np.full(60, 0.25)), 5)
    assert bool(result.failures) == model.needs_variation
    assert np.isfinite(result.values).all()


REFUSED = {
    "sklearn:sklearn.ensemble.ExtraTreesRegressor",
    "stats:AutoETS",
    "stats:Theta",
}
"""Those whose training can't be kept as arrays."""


def test_a_model_is_kept_unless_it_is_known_to_be_refused(model: Model) -> None:
    panel = make_panel([90, 100])
    if not model.learns:
        assert type(model).learn in (Model.learn, type(create_model("ensemble")).learn)
    elif model.name in REFUSED:
        with pytest.raises(VersionError, match=f"^{model.name}: what it learns can't be kept as"):
            model.learn(panel, 3, 0)
    else:
        assert model.learn(panel, 3, 0).arrays


def test_the_catalog_and_the_model_agree_on_what_it_is(model: Model) -> None:
    assert is_pooled(model) == (model.name in POOLED or getattr(model, "pooled", False))
    assert (model.lookback(3) is not None) == (model.name in BOUNDED)
    assert model.name in (*list_models(), *OF_LIBRARIES)
