"""What models learned: parts of it by coin, newer rows, and what was never trained on."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import ConstantSeriesError, ContractError, UntrainedError, VersionError
from cryptodask.models import Model, create_model, run_model
from cryptodask.models.learned import Learned, join_learned, ragged
from cryptodask.models.pooled.base import PooledModel, train
from cryptodask.models.renamed import rename
from cryptodask.models.trained import Trained, learn_panel
from cryptodask.records import DAY, FloatArray, Panel
from tests.models.conftest import QUICK, join, make_panel, one_coin

KNOWN = Learned(
    ("a", "b", "c"),
    {"level": np.arange(6.0).reshape(3, 2), **ragged("text", [np.arange(n) for n in (2, 0, 3)])},
)


def test_coins_are_taken_in_any_order_with_parts_of_any_length() -> None:
    some = KNOWN.take(["c", "b"])
    assert some.coins == ("c", "b")
    assert some.arrays["level"].tolist() == [[4, 5], [2, 3]]
    assert [some.of("text", i).tolist() for i in range(2)] == [[0, 1, 2], []]
    again = join_learned([KNOWN.take(["a"]), KNOWN.take(["b"]), KNOWN.take(["c"])])
    assert again.coins == KNOWN.coins
    assert {n: a.tolist() for n, a in again.arrays.items()} == {
        n: a.tolist() for n, a in KNOWN.arrays.items()
    }


@dataclass(frozen=True)
class LastClose(Model):
    """Learns each coin's last close, and returns it as a case of faults says."""

    case: str = ""
    name = "last_close"

    def min_length(self, horizon: int) -> int:
        return 1

    def learn(self, panel: Panel, horizon: int, seed: int) -> Any:
        level = panel.values[panel.indptr[1:] - 1]
        rows = ragged("rows", [np.arange(3)] * len(panel))
        blank = np.where(np.arange(len(panel)) == 1, np.nan, level)
        late = {**rows, "rows.indptr": rows["rows.indptr"] + 1}
        return {
            "": Learned(panel.coins, {"level": level, **rows}),
            "NaN for one": Learned(panel.coins, {"level": blank}),
            "NaN for all": Learned(panel.coins, {"level": level * np.nan}),
            "turned round": Learned(panel.coins[::-1], {"level": level}),
            "one coin": Learned(panel.coins[:1], {"level": level[:1]}),
            "a number too many": Learned(panel.coins, {"level": np.append(level, 1.0)}),
            "a number for all": Learned(panel.coins, {"level": np.array(1.0)}),
            "rows that begin late": Learned(panel.coins, late),
            "a list": Learned(panel.coins, {"level": level.tolist()}),
            "nothing": None,
        }[self.case]

    def forecast_from(self, known: Learned, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.repeat(known.arrays["level"][:, None], horizon, axis=1)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("turned round", r"coins \('coin-2', 'coin-1', 'coin-0'\), and panel.coins are \('coin-0'"),
        ("one coin", r"coins \('coin-0',\), and panel.coins are"),
        ("a number too many", r"level of shape \(4,\), and its first axis is 3 coins"),
        ("a number for all", r"level of shape \(\), and its first axis is 3 coins"),
        ("rows that begin late", r"rows.indptr that does not cut rows into a part for each coin"),
        ("a list", "level as a list, and not an ndarray"),
        ("nothing", "a NoneType, and not a Learned"),
    ],
)
def test_what_is_learned_of_other_coins_than_were_given_ends_the_run(
    case: str, message: str
) -> None:
    panel = make_panel([60, 70, 80])
    with pytest.raises(ContractError, match=f"^last_close: learn returned {message}"):
        learn_panel(LastClose(case), panel, 3, 0)
    with pytest.raises(ContractError, match=message):
        run_model(LastClose(case), panel, 3)
    learned, failures = learn_panel(LastClose(), panel, 3, 0)
    assert (learned and learned.coins, failures) == (panel.coins, [])


def test_a_coin_of_which_only_nan_is_learned_fails() -> None:
    panel = make_panel([60, 70, 80])
    learned, [failure] = learn_panel(LastClose("NaN for one"), panel, 3, 0)
    assert learned is not None
    assert learned.coins == ("coin-0", "coin-2")
    assert (failure.coin, failure.exception) == ("coin-1", "ForecastError")
    assert "coin-1: last_close learned nothing but NaN" in failure.message
    nothing, failures = learn_panel(LastClose("NaN for all"), panel, 3, 0)
    assert nothing is None
    assert len(failures) == 3


def test_a_line_is_made_longer_by_as_many_bars_as_came_since() -> None:
    model = create_model("linear")
    dates = np.datetime64("2024-01-01", "s") + np.arange(40) * DAY
    panel = Panel.from_series([("coin", 3.0 + 2.0 * np.arange(20), dates[:20])])
    known = model.learn(panel, 3, 0)
    newer = Panel.from_series([("coin", np.ones(3), dates[[20, 21, 29]])])
    expected = 3.0 + 2.0 * np.arange(30, 33)
    np.testing.assert_allclose(model.forecast_from(known, newer, 3, 0)[0], expected, rtol=1e-12)


def test_a_ridge_moves_on_from_the_newest_returns_by_the_older_weights() -> None:
    model, longer = create_model("ridge", lags=3), make_panel([80])
    older = Panel(longer.coins, longer.values[:70], longer.dates[:70], np.array([0, 70]))
    known = model.learn(older, 3, 0)
    seen = np.diff(np.log(longer.values[-4:]))
    step = known.arrays["intercept"][0] + seen @ known.arrays["weights"][0]
    [forecast] = Trained(model, known).forecast(longer, 1, 0)
    assert forecast[0] == pytest.approx(longer.values[-1] * np.exp(step), rel=1e-12)


def test_a_model_learns_of_the_coins_that_it_can_be_fitted_to() -> None:
    flat = replace(one_coin(np.full(60, 2.0)), coins=("flat",))
    learned, failures = learn_panel(create_model("ridge"), join([make_panel([60, 9]), flat]), 3, 0)
    assert learned is not None
    assert learned.coins == ("coin-0",)
    assert {f.coin: f.exception for f in failures} == {
        "coin-1": "TooShortError",
        "flat": "ConstantSeriesError",
    }
    assert learn_panel(create_model("ridge"), flat, 3, 0)[0] is None


def test_a_coin_that_was_not_trained_on_fails_alone() -> None:
    model, panel = create_model("linear"), make_panel([50, 60])
    trained = rename(Trained(model, model.learn(panel.take([0]), 3, 0)), "line")
    result = run_model(trained, panel, 3)
    assert np.array_equal(result.values, model.forecast(panel.take([0]), 3, 0))
    [failure] = result.failures
    assert (failure.coin, failure.model, failure.exception) == ("coin-1", "line", "UntrainedError")
    with pytest.raises(UntrainedError, match=r"^coin-1: linear was not trained on it; train it "):
        trained.forecast(panel, 3, 0)


@pytest.mark.parametrize("name", ["lstm_global", "pooled_linear"])
def test_a_pooled_model_refuses_flat_coins_in_its_run_and_forecasts_them_once_kept(
    name: str,
) -> None:
    model = create_model(name, **QUICK[name])
    assert isinstance(model, PooledModel)
    state = train(model, make_panel([60, 70]), 0)
    flat = one_coin(np.full(60, 2.0))
    fresh, kept = model.trained(state), Trained(model, model.learned(state))
    assert fresh.lookback(3) is None
    assert kept.lookback(3) == max(model.lookback_from(3) or 0, model.min_length(3))
    [failure] = run_model(fresh, flat, 3).failures
    assert failure.exception == ConstantSeriesError.__name__
    np.testing.assert_allclose(run_model(kept, flat, 3).values, [[2.0] * 3], rtol=0.1)


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("linear", {}, 2),
        ("ridge", {"lags": 4}, 10),
        ("ridge_features", {"features": "lag:1-5", "target": "scaled:20"}, 29),
        ("ridge_features", {"features": "rsi:5"}, None),
        ("ridge_features", {"normalise": "coin"}, None),
        ("svr_rbf", {"lags": 4}, 10),
        ("lstm", {"window": 8}, 11),
        ("lstm", {"window": 8, "features": "lag:1-2 std:4"}, 15),
        ("lstm", {"window": 8, "features": "macd"}, None),
        ("ensemble", {"members": "ridge,svr_rbf"}, 22),
        ("ensemble", {"members": "drift,ridge"}, None),
        ("auto", {"members": "linear,ridge"}, 22),
    ],
)
def test_once_trained_a_model_reads_few_rows(
    name: str, options: dict[str, str], rows: int | None
) -> None:
    model = create_model(name, **options)
    assert Trained(model, Learned(("coin",), {})).lookback(3) == rows
    assert rename(model, "other").lookback_from(3) == model.lookback_from(3)


def test_more_steps_than_were_learned_are_refused() -> None:
    model, panel = create_model("ridge_features"), make_panel([90])
    known = model.learn(panel, 3, 0)
    assert np.array_equal(model.forecast_from(known, panel, 2, 0), model.forecast(panel, 2, 0))
    with pytest.raises(VersionError, match="learned 3 steps ahead and the horizon is 4"):
        model.forecast_from(known, panel, 4, 0)


def test_features_of_other_coins_are_kept_with_a_pooled_model() -> None:
    options = {**QUICK["pooled_linear"], "features": "lag:1-2 market:1 coin:coin-1:1-2"}
    model, panel = create_model("pooled_linear", **options), make_panel([60, 60, 60])
    known = model.learn(panel, 3, 0)
    assert {array.dtype.name for array in known.arrays.values()} == {"float64", "int64"}
    trained = Trained(model, known)
    expected = model.forecast(panel, 3, 0)
    assert np.array_equal(trained.forecast(panel, 3, 0), expected)
    [rows] = {trained.lookback(3)}
    assert rows is not None
    assert np.array_equal(trained.forecast(panel.tail(rows), 3, 0), expected)


@pytest.mark.parametrize("name", ["ensemble", "auto"])
def test_a_member_that_cannot_be_kept_is_named(name: str) -> None:
    members = "sklearn:sklearn.tree.DecisionTreeRegressor"
    with pytest.raises(VersionError, match=rf"^{name}: .* since its member {members} can't be kep"):
        create_model(name, members=members).learn(make_panel([90]), 3, 0)


def test_auto_keeps_members_of_the_coins_that_they_are_best_for() -> None:
    rng = np.random.default_rng(3)
    alternating = 10 * np.exp(np.cumsum(0.1 * (-1.0) ** np.arange(300) + rng.normal(0, 0.01, 300)))
    panel = join([replace(one_coin(alternating), coins=("alternating",)), make_panel([20])])
    model = create_model("auto", members="ridge")
    known = model.learn(panel, 1, 0)
    kept = [len(known.of("member.0", i)) > 0 for i in range(2)]
    assert kept == (known.arrays["weight"] > 0).tolist() == [True, False]
    expected = model.forecast(panel, 1, 0)
    assert np.array_equal(Trained(model, known).forecast(panel, 1, 0), expected)
