"""Candidates: every combination once, and each forecasts what its model does, bit for bit."""

import pickle
from typing import Any

import numpy as np
import pytest

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.models import Model, create_model, list_models, run_model
from cryptodask.models.base import fingerprints
from cryptodask.models.pooled.base import is_pooled, train
from cryptodask.models.renamed import Renamed, rename
from cryptodask.models.trained import TrainableModel
from cryptodask.records import Panel
from cryptodask.runs.kinds.candidates import make_candidates, option_text
from cryptodask.runs.spec import SearchSpec

SMALL: dict[str, dict[str, Any]] = {
    "random": {},
    "ridge": {},
    "ensemble": {},
    "lstm": {"window": 8, "units": (4,), "batch_size": 64},
    "lstm_global": {"window": 8, "units": (4,), "steps": 2, "sample": 4},
    "pooled_linear": {"features": "lag:1-3 weekday"},
    "sklearn:sklearn.tree.ExtraTreeRegressor": {"max_depth": 3},
}


@pytest.fixture(scope="module")
def panel() -> Panel:
    rng = np.random.default_rng(3)
    days = np.datetime64("2020-01-01", "s") + np.arange(90) * np.timedelta64(1, "D")
    walks = 10 * np.exp(rng.normal(0, 0.05, (3, 90)).cumsum(axis=1))
    series = [(f"coin-{i}", walk, days) for i, walk in enumerate(walks)]
    return Panel.from_series([*series, ("flat", np.full(90, 2.0), days)])


def plain(model: Model) -> Model:
    """Return the model that is renamed, or the model itself."""
    return model.model if isinstance(model, Renamed) else model


def test_every_combination_is_a_candidate_after_the_model_as_given() -> None:
    found = make_candidates({"ridge": {"lags": [5, 10], "alpha": ["1", "100", "1e2"]}})["ridge"]
    assert [c.name for c in found] == [
        "ridge", "ridge[alpha=1,lags=5]", "ridge[alpha=1,lags=10]", "ridge[alpha=100,lags=5]",
    ]  # fmt: skip
    assert found[0].model == create_model("ridge")
    assert found[0].options == ()
    assert plain(found[-1].model) == create_model("ridge", lags=5, alpha=100.0)


def test_options_that_are_set_are_those_of_all_candidates_of_their_model() -> None:
    search = {"ridge": {"alpha": [1.0]}, "lstm": {"units": [(8, 4), (6,)], "epochs": [2]}}
    found = make_candidates(search, {"ridge": {"lags": 4}, "lstm": {"batch_norm": True}})
    assert [plain(c.model) for c in found["ridge"]] == [
        create_model("ridge", lags=4),
        create_model("ridge", lags=4, alpha=1.0),
    ]
    assert [c.name for c in found["lstm"]][1:] == [
        "lstm[epochs=2,units=8,4]", "lstm[epochs=2,units=6]",
    ]  # fmt: skip
    for own in (c for family in found.values() for c in family):
        model = plain(own.model)
        assert create_model(model.name, **dict(own.options)) == model  # as it is pasted


def test_so_many_at_random_are_drawn_by_the_seed_without_repeats() -> None:
    search = {"ridge": {"alpha": [1, 2, 3, 4, 5, 6], "lags": [2, 3, 4, 5]}}
    found = make_candidates(search, random=7, seed=1)["ridge"]
    assert len({c.name for c in found}) == len(found) == 8
    assert found == make_candidates(search, random=7, seed=1)["ridge"]
    assert found != make_candidates(search, random=7, seed=-2)["ridge"]
    whole = make_candidates(search)["ridge"]
    assert len(whole) == 25
    assert {c.name for c in found} <= {c.name for c in whole}
    assert make_candidates(search, random=24)["ridge"] == whole


@pytest.mark.parametrize(
    ("search", "options", "error", "told"),
    [
        ({}, {}, OptionError, "no model is named"),
        ({"rigde": {"alpha": [1]}}, {}, UnknownModelError, "did you mean ridge"),
        ({"ridge": {}}, {}, OptionError, "no option of ridge is searched"),
        ({"ridge": {"aplha": [1]}}, {}, OptionError, "ridge: has no option 'aplha'; its options:"),
        ({"ridge": {"alpha": []}}, {}, OptionError, "must be a list of values, got \\[\\]"),
        ({"ridge": {"alpha": "10"}}, {}, OptionError, "must be a list of values, got '10'"),
        ({"ridge": {"alpha": ["ten"]}}, {}, OptionError, "alpha: must be float, got 'ten'"),
        ({"ridge": {"alpha": [1, -1]}}, {}, OptionError, "alpha: must be above 0 and finite"),
        ({"ridge": {"alpha": [1]}}, {"ridge": {"alpha": 2}}, OptionError, "both set and searched"),
        ({"ridge": {"alpha": [1]}}, {"lstm": {"epochs": 2}}, OptionError, "lstm is not searched"),
    ],
)
def test_what_there_is_not_is_told(
    search: Any, options: Any, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        make_candidates(search, options)


def test_a_number_of_candidates_below_1_is_told() -> None:
    with pytest.raises(OptionError, match="random: must be at least 1 candidate, got 0"):
        SearchSpec(search={"ridge": {"alpha": [1]}}, random=0)


@pytest.mark.parametrize("name", SMALL)
def test_its_forecasts_are_the_models_bit_for_bit(panel: Panel, name: str) -> None:
    """And so is its randomness, which is drawn by the name of the model."""
    model = create_model(name, **SMALL[name])
    own, other = run_model(model, panel, 3, 7), run_model(rename(model, "x"), panel, 3, 7)
    assert other.model == "x"
    assert other.coins == own.coins
    assert np.array_equal(other.values, own.values)
    assert [(f.coin, f.exception) for f in other.failures] == [
        (f.coin, f.exception) for f in own.failures
    ]
    assert {f.model for f in other.failures} <= {"x"}


@pytest.mark.parametrize("name", [*list_models(), "sklearn:sklearn.linear_model.Lasso"])
def test_it_has_what_the_model_has_and_nothing_else(name: str) -> None:
    model = create_model(name)
    own = rename(model, "x")
    assert is_pooled(own) == is_pooled(model)
    assert isinstance(own, TrainableModel) == isinstance(model, TrainableModel)
    assert own.lookback(5) == model.lookback(5)
    assert own.rows_at_ends(5) == model.rows_at_ends(5)
    assert list(fingerprints([own]).values()) == list(fingerprints([model]).values())
    members = ("cost", "needs_variation", "gaps", "columns", "batches_dates")
    assert [getattr(own, m) for m in members] == [getattr(model, m) for m in members]
    assert own.min_length(5) == model.min_length(5)
    assert pickle.loads(pickle.dumps(own)) == own


@pytest.mark.parametrize("name", ["pooled_linear", "lstm_global"])
def test_once_it_is_trained_on_all_coins_it_forecasts_under_its_own_name(
    panel: Panel, name: str
) -> None:
    model: Any = create_model(name, **SMALL[name])
    sound = panel.take([0, 1, 2])
    expected = run_model(model.trained(train(model, sound, 7)), sound, 3, 7)
    own: Any = rename(model, "x")
    found = run_model(own.trained(train(own, sound, 7)), sound, 3, 7)
    assert found.model == "x"
    assert np.array_equal(found.values, expected.values)


def test_once_it_is_trained_on_some_coins_it_forecasts_under_its_own_name(panel: Panel) -> None:
    model: Any = create_model("lstm", **SMALL["lstm"])
    sound = panel.take([0, 1, 2])
    own: Model = rename(model, "x")
    assert isinstance(own, TrainableModel)
    found = run_model(own.train(sound, 7), sound, 3, 7)
    assert found.model == "x"
    assert np.array_equal(found.values, run_model(model, sound, 3, 7).values)


@pytest.mark.parametrize(
    ("value", "text"),
    [((50, 100), "50,100"), ("lag:1-5 rsi:14", "lag:1-5 rsi:14"), (True, "true"), (None, "none"),
     (np.float64(0.1), "0.1"), (3, "3")],
)  # fmt: skip
def test_a_value_is_written_as_in_a_command(value: Any, text: str) -> None:
    assert option_text(value) == text
