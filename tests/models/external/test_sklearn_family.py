"""Any regressor of scikit-learn by its name, and nothing else by it."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import HuberRegressor
from sklearn.utils import all_estimators

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models import create_model, describe_model, model_gaps, model_options, run_model
from cryptodask.models.base import rng_for
from cryptodask.models.external.sklearn_family import SklearnRegressor, find_regressor
from tests.models.conftest import make_panel, one_coin, walk
from tests.models.regression.test_svr import plain_loop

FOREST = "sklearn:sklearn.ensemble.RandomForestRegressor"
BOOSTING = "sklearn:sklearn.ensemble.HistGradientBoostingRegressor"


def test_it_is_the_regressor_on_scaled_returns() -> None:
    panel = make_panel([90, 60])
    model = create_model("sklearn:sklearn.linear_model.HuberRegressor", lags=4, alpha="0.5")
    forecast = model.forecast(panel, 5, seed=0)
    for row, (_, closes, _) in zip(forecast, panel, strict=True):
        expected = plain_loop(closes, 4, 2_000, HuberRegressor(alpha=0.5), 5)
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_its_random_state_is_that_of_the_coin() -> None:
    # Two rows are told apart by every feature, and rounding decides by which: so let one be drawn.
    name = "sklearn:sklearn.ensemble.ExtraTreesRegressor"
    model = create_model(name, lags=4, n_estimators=3, max_features=1)
    forecast = model.forecast(make_panel([60]), 3, seed=5)
    state = int(rng_for(5, name, "coin-0").integers(2**31))
    trees = ExtraTreesRegressor(n_estimators=3, max_features=1, random_state=state)
    expected = plain_loop(make_panel([60]).values, 4, 2_000, trees, 3)
    np.testing.assert_allclose(forecast[0], expected, rtol=1e-9)


def test_prices_in_another_currency_are_forecast_in_it() -> None:
    closes, _ = walk(80)
    model = create_model(BOOSTING, max_iter=5, min_samples_leaf=3)
    one, other = (model.forecast(one_coin(c), 9, 0) for c in (closes, closes * 1024))
    assert np.array_equal(other, one * 1024)


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("max_iter", "50", 50),
        ("learning_rate", "0.3", 0.3),
        ("loss", "absolute_error", "absolute_error"),
        ("max_depth", "4", 4),
        ("max_depth", "None", None),
        ("max_leaf_nodes", "null", None),
        ("early_stopping", "true", True),
        ("warm_start", "no", False),
        ("warm_start", "0", False),
        ("max_iter", np.int64(7), 7),
        ("interaction_cst", "[[0, 1], [2]]", ((0, 1), (2,))),
    ],
)
def test_options_of_the_class_are_converted(option: str, given: object, expected: object) -> None:
    model = create_model(BOOSTING, **{option: given})
    assert isinstance(model, SklearnRegressor)
    assert model.params == ((option, expected),)
    assert hash(model) == hash(create_model(BOOSTING, **{option: expected}))


def test_text_with_commas_is_a_tuple_where_the_default_is_one() -> None:
    mlp = "sklearn:sklearn.neural_network.MLPRegressor"
    for text in ("20,10", "20, 10", "[20, 10]"):
        model = create_model(mlp, hidden_layer_sizes=text)
        assert dict(model.params) == {"hidden_layer_sizes": (20, 10)}  # type: ignore[attr-defined]


def test_the_order_of_options_does_not_matter() -> None:
    one = create_model(BOOSTING, max_iter=5, max_depth=2, lags="4")
    assert one == create_model(BOOSTING, lags=4, max_depth=2, max_iter=5)
    assert one != create_model(BOOSTING, lags=4, max_depth=2, max_iter=6)


def test_options_are_ours_and_those_of_the_class_but_what_we_set() -> None:
    options = model_options(FOREST)
    assert options["lags"] == (int, 10)
    assert options["n_estimators"] == (int, 100)
    assert not {"random_state", "n_jobs"} & set(options)
    for option in ("random_state", "n_jobs", "trees"):
        with pytest.raises(OptionError, match=f"{FOREST}: has no option '{option}'; its options:"):
            create_model(FOREST, **{option: 3})


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        (BOOSTING, {"max_iter": "-3"}, "'max_iter' parameter of HistGradientBoostingRegressor"),
        (BOOSTING, {"loss": "none such"}, "'loss' parameter"),
        (BOOSTING, {"max_iter": {}}, "max_iter: must be None, true or false, a number, text"),
        (BOOSTING, {"lags": 0}, "lags: must be at least 1, got 0"),
        (BOOSTING, {"max_rows": 5}, "max_rows: must be at least 12"),
        ("sklearn:sklearn.ensemble.VotingRegressor", {}, "missing 1 required"),
        ("sklearn:sklearn.linear_model.MultiTaskLasso", {}, "several targets at once"),
        ("sklearn:sklearn.linear_model.PoissonRegressor", {}, "targets above 0 only"),
        ("sklearn:sklearn.isotonic.IsotonicRegression", {}, "one feature only"),
    ],
)
def test_what_can_not_be_fitted_to_any_coin_is_told_at_once(
    name: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(OptionError) as caught:
        create_model(name, **options)
    assert str(caught.value).startswith(name)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "dotted",
    [
        "",
        "os.system",
        "sklearn",
        "sklearn.ensemble",
        "sklearn.os.System",
        "sklearn.ensemble.os",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.ensemble.RandomForestClassifier",
        "sklearn.linear_model.enet_path",
        "sklearn.clone.Regressor",
        "sklearn.base.RegressorMixin",
        "sklearn.ensemble.RandomForestRegressor.fit",
        "sklearnx.ensemble.RandomForestRegressor",
        "..ensemble.RandomForestRegressor",
    ],
)
def test_nothing_but_public_regressors_is_found(dotted: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        create_model(f"sklearn:{dotted}")
    assert str(caught.value).startswith(f"'sklearn:{dotted}': no public regressor of scikit-learn")
    assert "nothing else is imported; write sklearn:sklearn.MODULE.CLASS" in str(caught.value)


def test_a_module_of_another_package_is_not_even_imported() -> None:
    code = (
        "import sys\n"
        "from cryptodask import create_model\n"
        "for name in ('this', 'sklearn.this', 'this.that.Other', 'antigravity.sklearn.One'):\n"
        "    try:\n"
        "        create_model('sklearn:' + name)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
        "print({'this', 'antigravity'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == ["UnknownModelError"] * 4 + ["set()"]


@pytest.mark.filterwarnings("ignore")
def test_all_public_regressors_of_scikit_learn_are_found() -> None:
    for name, kind in all_estimators("regressor"):
        assert find_regressor(f"sklearn.{kind.__module__.split('.')[1]}.{name}") is kind


def test_a_coin_that_the_regressor_can_not_be_fitted_to_fails_alone() -> None:
    model = create_model("sklearn:sklearn.neighbors.KNeighborsRegressor", n_neighbors=40)
    result = run_model(model, make_panel([30, 80]), 3)
    assert result.coins == ("coin-1",)
    assert [failure.coin for failure in result.failures] == ["coin-0"]
    assert "n_neighbors" in result.failures[0].message


def test_it_is_described() -> None:
    assert describe_model(
        FOREST
    ) == "scikit-learn's RandomForestRegressor on a coin's last log " + ("returns.")
    assert model_gaps(FOREST) == "split"
