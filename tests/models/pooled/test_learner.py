"""Regressors over all coins: what they learn, which rows they see, what they refuse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import ForecastError, OptionError, TooShortError, VersionError
from cryptodask.models import Model, create_model, run_model
from cryptodask.models.learned import Learned
from cryptodask.models.pooled import boosted_fits
from cryptodask.models.pooled.base import train
from cryptodask.models.pooled.learner import PooledLearner
from cryptodask.models.pooled.lightgbm_fits import LightGBMFits
from cryptodask.models.trained import Trained
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import START, make_panel, need_package, one_coin

RIDGE = "pooled:sklearn.linear_model.Ridge"
XGBOOST, LIGHTGBM = "pooled:xgboost", "pooled:lightgbm"
LAGS = {"features": "lag:1-2", "target": "log_return", "normalise": "none"}
TREES: dict[str, Any] = {"n_estimators": 60, "learning_rate": 0.1, "min_child_weight": 20}
LEAVES: dict[str, Any] = {"n_estimators": 60, "learning_rate": 0.1, "min_child_samples": 20}
BOOSTED = [(XGBOOST, TREES), (LIGHTGBM, LEAVES)]


def made(name: str, **options: Any) -> PooledLearner:
    need_package(name)
    model = create_model(name, **(LAGS | options))
    assert isinstance(model, PooledLearner)
    return model


def coins_of(returns: FloatArray) -> Panel:
    days = START + np.arange(returns.shape[1]) * DAY
    closes = 100 * np.exp(returns.cumsum(axis=1))
    return Panel.from_series((f"coin-{i:02d}", row, days) for i, row in enumerate(closes))


def ar1(phi: float, coins: int = 20, days: int = 500) -> FloatArray:
    returns = np.random.default_rng(3).normal(0, 0.03, (coins, days))
    for day in range(1, days):
        returns[:, day] += phi * returns[:, day - 1]
    return returns


def returns_ahead(model: Model, returns: FloatArray, horizon: int) -> FloatArray:
    panel = coins_of(returns)
    forecast = run_model(model, panel, horizon)
    last = panel.values[panel.indptr[1:] - 1]
    ahead: FloatArray = np.log(forecast.values / last[:, None])
    return ahead


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize(
    ("name", "options", "least"),
    [(RIDGE, {"alpha": 1e-6}, 0.97), (XGBOOST, TREES, 0.6), (LIGHTGBM, LEAVES, 0.6)],
)
def test_a_signal_is_found_by_about_what_is_known(
    name: str, options: dict[str, Any], least: float, strategy: str
) -> None:
    returns = ar1(0.4)
    known = returns[:, -1:] * np.cumsum(0.4 ** np.arange(1, 4))
    ahead = returns_ahead(made(name, strategy=strategy, **options), returns, 3)
    missed = ((ahead - known) ** 2).sum(axis=0) / (known**2).sum(axis=0)
    assert (1 - missed[:2] >= least).all(), 1 - missed


@pytest.mark.parametrize(("name", "options"), [(RIDGE, {}), *BOOSTED])
def test_nothing_is_found_in_random_walks(name: str, options: dict[str, Any]) -> None:
    ahead = returns_ahead(made(name, **options), ar1(0.0), 1)
    assert np.sqrt((ahead**2).mean()) < 0.2 * 0.03


def test_ridge_is_that_of_scikit_learn_on_all_rows_stacked() -> None:
    from sklearn.linear_model import Ridge

    returns = ar1(0.3, coins=3, days=60)
    stacked = [(row[1:-1], row[:-2], row[2:]) for row in returns[:, 1:]]
    x = np.concatenate([np.stack([a, b], axis=1) for a, b, _ in stacked])
    fit = Ridge(alpha=0.01).fit(x, np.concatenate([c for *_, c in stacked]))
    expected = fit.predict(returns[:, [-1, -2]])
    ahead = returns_ahead(made(RIDGE, alpha=0.01), returns, 1)[:, 0]
    assert np.allclose(ahead, expected, atol=1e-6)


def test_a_feature_that_crosses_coins_is_found() -> None:
    returns = np.random.default_rng(5).normal(0, 0.03, (12, 400))
    returns[1:, 1:] += 0.5 * returns[0, :-1]
    model = made(RIDGE, features="lag:1 coin:coin-00:1", alpha=1e-6)
    ahead = returns_ahead(model, returns, 1)[1:, 0]
    assert np.allclose(ahead, 0.5 * returns[0, -1], atol=0.004)
    with pytest.raises(ForecastError, match="no coin 'Nobody' is among those"):
        train(made(RIDGE, features="coin:Nobody:1"), coins_of(returns), 0)


def test_a_sample_does_not_depend_on_order_or_parts_and_is_reported() -> None:
    panel = make_panel([120, 90, 150, 80], 1)
    model = made(RIDGE, max_rows=100).for_horizon(2)
    state = train(model, panel, 0)
    turned = train(model, panel.take([2, 0, 3, 1]), 0)
    assert state.fits[0].rows == 100
    assert np.array_equal(state.fits[1].kept, turned.fits[1].kept)
    assert not np.array_equal(state.fits[0].kept, train(model, panel, 1).fits[0].kept)
    rows = sum((120, 90, 150, 80)) - 4 * (model.space.history - 1 + 1)
    assert list(model.notes(state)) == [
        ("sample", f"trained on a sample of 100 of {rows} rows (max_rows)")
    ]
    assert not list(made(RIDGE).for_horizon(2).notes(train(made(RIDGE), panel, 0)))


@pytest.mark.parametrize(("name", "options"), BOOSTED)
def test_steps_do_not_depend_on_the_horizon(name: str, options: dict[str, Any]) -> None:
    panel, model = make_panel([80, 90], 2), made(name, **options)
    one, three = (run_model(model, panel, horizon).values for horizon in (1, 3))
    assert np.array_equal(one[:, 0], three[:, 0])


def test_few_rows_are_told_of_and_too_few_refused() -> None:
    model = made(RIDGE)
    state = train(model, make_panel([12]), 0)
    [(kind, note)] = model.notes(state)
    assert kind == "few"
    assert "rows only, fewer than 10 a feature" in note
    with pytest.raises(TooShortError, match="nothing was trained for step 1: fewer than 2 rows"):
        model.trained(train(model, make_panel([3]), 0))
    trained = model.trained(train(model.for_horizon(2), make_panel([40]), 0))
    with pytest.raises(TooShortError, match="nothing was trained for step 3"):
        trained.forecast(make_panel([40]), 3, 0)


def test_features_that_never_vary_and_libraries_that_refuse_are_named() -> None:
    doubling = one_coin(2.0 ** np.arange(20))
    with pytest.raises(ForecastError, match=r"each feature has one value \(lag:1, lag:2 …\)"):
        train(made(RIDGE), doubling, 0)
    neighbours, panel = made("pooled:sklearn.neighbors.KNeighborsRegressor"), make_panel([6])
    with pytest.raises(ForecastError, match="can't be fitted to 3 rows: Expected n_neighbors"):
        neighbours.train(panel, 1, 0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (RIDGE, {"strategy": "both"}, "strategy: must be one of direct, recursive, got 'both'"),
        (
            RIDGE,
            {"strategy": "recursive", "features": "volume_change:1"},
            "volume.* depends on more",
        ),
        (RIDGE, {"strategy": "recursive", "features": "coin:A:1"}, "coin:A:1 depends on more"),
        (RIDGE, {"ahead": -1}, "ahead: must be at least 0, got -1"),
        (
            RIDGE,
            {"ahead": 2, "strategy": "recursive"},
            "ahead: got 2, and recursive has one regressor for any horizon",
        ),
        (RIDGE, {"max_rows": 1}, "max_rows: must be at least 2, got 1"),
        (RIDGE, {"distributed": True}, "distributed: the class has no partial_fit"),
        (RIDGE, {"target": "price"}, "prices of different coins are not alike"),
        (
            RIDGE,
            {"features": "close", "normalise": "none"},
            "close:1 of different coins are not alike",
        ),
        (RIDGE, {"alpha": -1.0}, "alpha"),
        (RIDGE, {"alfa": 1.0}, "has no option 'alfa'"),
        (XGBOOST, {"n_estimator": 5}, "has no option 'n_estimator'"),
        (XGBOOST, {"n_estimators": 0}, "n_estimators: must be an integer of at least 1, got 0"),
        (XGBOOST, {"max_depth": -1}, "XGBoost refuses its options: .*max_depth"),
        (XGBOOST, {"learning_rate": "fast"}, "learning_rate: must be a finite number, got 'fast'"),
        (XGBOOST, {"objective": "binary:logistic"}, "objective: must be one of reg:"),
        (XGBOOST, {"min_child_weight": float("inf")}, "must be a finite number, got inf"),
        (LIGHTGBM, {"n_estimator": 5}, "has no option 'n_estimator'"),
        (LIGHTGBM, {"num_threads": 2}, "has no option 'num_threads'"),
        (LIGHTGBM, {"n_estimators": 0}, "n_estimators: must be an integer of at least 1, got 0"),
        (LIGHTGBM, {"subsample_freq": 0}, "subsample_freq: must be an integer of at least 1"),
        (LIGHTGBM, {"num_leaves": 1}, r"LightGBM refuses its options: .*\(num_leaves\) > \(1\)"),
        (LIGHTGBM, {"subsample": 1.5}, r"LightGBM refuses its options: .*bagging_fraction\) <="),
        (LIGHTGBM, {"num_leaves": 2**32 + 5}, r"num_leaves: must be below 2\*\*31"),
        (LIGHTGBM, {"learning_rate": "fast"}, "learning_rate: must be a finite number, got 'fast'"),
        (LIGHTGBM, {"objective": "binary"}, "objective: must be one of regression, huber"),
        (LIGHTGBM, {"distributed": True}, "LightGBM is trained on one worker, where rows meet"),
    ],
)
def test_options_are_refused_by_name(name: str, options: dict[str, Any], message: str) -> None:
    need_package(name)
    with pytest.raises(OptionError, match=message):
        create_model(name, **options)


def test_a_horizon_beyond_what_was_asked_for_is_refused() -> None:
    model = made(RIDGE, ahead=2)
    with pytest.raises(OptionError, match="set ahead to it or more"):
        model.min_length(3)


@pytest.mark.parametrize(("name", "options"), BOOSTED)
def test_what_is_kept_forecasts_the_same_and_damage_is_refused(
    name: str, options: dict[str, Any]
) -> None:
    panel, model = make_panel([80, 90], 4), made(name, **options)
    known = model.learn(panel, 2, 0)
    expected = run_model(model, panel, 2).values
    assert np.array_equal(Trained(model, known).forecast(panel, 2, 0), expected)
    for damaged in (known.arrays["fit"][::-1], known.arrays["fit"] * 0):
        broken = Learned(None, {**known.arrays, "fit": damaged})
        with pytest.raises(VersionError, match=f"{name}: what was kept can't be read"):
            model.forecast_from(broken, panel, 2, 0)
    fewer = made(name, features="lag:1", **options)
    with pytest.raises(VersionError, match="is of 2 features, and 1 are declared"):
        fewer.forecast_from(known, panel, 2, 0)


def test_what_cannot_be_kept_is_refused_before_any_coin_is_read() -> None:
    with pytest.raises(VersionError, match="can't be kept as a version"):
        made("pooled:sklearn.ensemble.ExtraTreesRegressor", n_estimators=2).check_keepable()
    made(RIDGE).check_keepable()


@pytest.mark.parametrize(("name", "options"), BOOSTED)
def test_trees_that_end_early_or_are_very_large_are_refused(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = made(name, **options).library
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2)).astype(np.float32)
    fit = library.fit(x, x[:, 0] + x[:, 1], 0)
    assert fit.kept is not None
    content = boosted_fits.decompressed(fit.kept)
    # XGBoost itself crashes on half of what it wrote; a whole stream with a checksum is our guard.
    for part in (b"", content[: len(content) // 2]) if name == LIGHTGBM else ():
        with pytest.raises(VersionError, match="what was kept can't be read"):
            library.predictor(replace(fit, kept=boosted_fits.compressed(part)), 2, 0)
    with pytest.raises(VersionError, match="what was kept can't be read"):
        library.predictor(replace(fit, kept=fit.kept[:-9]), 2, 0)
    monkeypatch.setattr(boosted_fits, "MOST_BYTES", len(content) - 1)
    with pytest.raises(VersionError, match="what was kept can't be read"):
        library.predictor(fit, 2, 0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n_estimators", 5), ("num_leaves", 4), ("max_depth", 2), ("learning_rate", 0.3),
        ("min_child_samples", 200), ("min_child_weight", 200.0), ("subsample", 0.5),
        ("subsample_for_bin", 50), ("colsample_bytree", 0.5), ("reg_alpha", 5.0),
        ("reg_lambda", 50.0), ("min_split_gain", 5.0), ("objective", "huber"),
        ("objective", "regression_l1"),
    ],
)  # fmt: skip
def test_every_option_of_lightgbm_changes_what_is_learned(option: str, value: Any) -> None:
    need_package(LIGHTGBM)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_000, 3)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + rng.standard_t(3, 1_000)).astype(np.float32)

    def predicted(seed: int = 0, **options: Any) -> Any:
        library = LightGBMFits(options)
        library.check()
        return library.predictor(library.fit(x, y, seed), 3, seed).predict(x)

    changed = predicted(**{option: value})
    assert not np.array_equal(changed, predicted())
    assert np.array_equal(changed, predicted(**{option: value}))
    if option == "subsample":
        assert not np.array_equal(changed, predicted(1, subsample=value))
        assert not np.array_equal(changed, predicted(subsample=value, subsample_freq=7))


def test_parameters_of_lightgbm_are_those_that_its_regressor_has() -> None:
    need_package(LIGHTGBM)
    from inspect import signature

    from lightgbm import LGBMModel

    assert set(LightGBMFits.defaults) <= set(signature(LGBMModel.__init__).parameters)


def test_parameters_of_xgboost_are_those_that_its_regressor_has() -> None:
    need_package(XGBOOST)
    from inspect import signature

    from xgboost import XGBModel

    from cryptodask.models.pooled.xgboost_fits import OPTIONS

    assert set(OPTIONS) <= set(signature(XGBModel.__init__).parameters)
