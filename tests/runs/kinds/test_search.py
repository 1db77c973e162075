"""A whole search: the right options are found, by the past only, and the same on any cluster."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, create_model
from cryptodask.errors import OptionError
from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.choice import time_splits
from cryptodask.evaluate.rolling import choose_origins
from cryptodask.prices.panels import to_panel
from cryptodask.records import DAY, DateArray, FloatArray, Panel
from cryptodask.results import Backtest, SearchResult
from cryptodask.results.failures import failure_table
from cryptodask.runs import tune
from cryptodask.runs.kinds.candidates import make_candidates
from cryptodask.runs.kinds.search import choose
from cryptodask.runs.model_spec import Values

SEARCH: Values = {"ridge": {"alpha": [1, 1e7], "lags": [1, 2]}}
HORIZON = 3


def returns_of_lag_2(seed: int) -> FloatArray:
    """Daily log returns of 8 coins, each mostly the opposite of that of two days before."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.03, (8, 260))
    for day in range(2, returns.shape[1]):
        returns[:, day] -= 0.8 * returns[:, day - 2]
    return returns


def panel_of(returns: FloatArray) -> Panel:
    days = np.datetime64("2020-01-01", "s") + np.arange(returns.shape[1]) * DAY
    closes = 10 * np.exp(returns.cumsum(axis=1))
    return Panel.from_series([(f"coin-{i}", own, days) for i, own in enumerate(closes)])


def plain(
    panel: Panel, search: Values, origins: DateArray, horizon: int, splits: int, **options: Any
) -> SearchResult:
    """What a loop gives, without a cluster."""
    by_model = make_candidates(search, **options)
    models = [create_model("naive"), *(c.model for own in by_model.values() for c in own)]
    tables = [backtest_panel(panel, model, origins, horizon, 0).table for model in models]
    done = Backtest([m.name for m in models], horizon, origins, failure_table([], dated=True),
                    frame=pd.concat(tables, ignore_index=True))  # fmt: skip
    return choose(done, by_model, time_splits(origins, horizon * DAY, splits))


@cache
def fitting() -> SearchResult:
    """Return a search among prices that have something to be found."""
    return tuned(returns_of_lag_2(1))


def tuned(returns: FloatArray) -> SearchResult:
    panel = panel_of(returns)
    origins = choose_origins(panel.dates.min(), panel.dates.max(), DAY, HORIZON, 16)
    return plain(panel, SEARCH, origins, HORIZON, 3)


def test_the_lags_that_prices_have_are_found_and_do_well_on_what_was_held_out() -> None:
    done = fitting()
    assert done.best == {"ridge": {"alpha": "1", "lags": "2"}}
    score = done.candidates.set_index("candidate")["relative_mae"]
    best = score["ridge[alpha=1,lags=2]"]
    assert best == done.chosen_by("ridge") == score.min() < 0.85
    assert score["ridge[alpha=1,lags=1]"] > best + 0.1
    assert score["ridge[alpha=10000000.0,lags=2]"] > best + 0.1
    chosen = done.splits["candidate"].tolist()
    assert set(chosen) <= {"ridge", "ridge[alpha=1,lags=2]"}  # as given it has the right lags, too
    assert chosen[-1] == "ridge[alpha=1,lags=2]"
    assert done.splits["test_origins"].sum() == 12
    tuned_row = done.held_out.set_index("role").loc["tuned"]
    assert tuned_row["relative_mae"] < 0.85
    assert tuned_row["naive_verdict"] == "better"
    assert (tuned_row["coins"], tuned_row["origins"]) == (8, 12)


def test_on_random_walks_choosing_is_worth_nothing_and_the_figure_says_so() -> None:
    """The best of many looks better on the dates that it was chosen by than on others."""
    walks = [np.random.default_rng(seed).normal(0, 0.03, (8, 260)) for seed in range(3)]
    found = [tuned(returns) for returns in walks]
    for done in found:
        verdicts = done.held_out.set_index("role").loc["tuned"]
        assert verdicts["naive_verdict"] in ("no difference", "worse")
    held = [done.held_out["relative_mae"].iloc[0] for done in found]
    assert np.mean(held) > np.mean([done.chosen_by("ridge") for done in found])


def test_prices_that_came_later_change_no_earlier_choice() -> None:
    returns, before = returns_of_lag_2(1), fitting()
    for split in (1, 2):
        origin = before.splits["test_from"].iloc[split - 1]
        changed = returns.copy()
        day = (pd.Timestamp(origin) - pd.Timestamp("2020-01-01")).days
        rng = np.random.default_rng(split)
        changed[:, day + 1 :] = rng.normal(0, 0.2, changed[:, day + 1 :].shape)
        after = tuned(changed)
        pd.testing.assert_frame_equal(
            after.splits.head(split), before.splits.head(split), check_exact=True
        )
        assert not after.splits.equals(before.splits)


def test_on_a_cluster_it_is_that_of_a_plain_loop_whatever_the_partitions(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    search: Values = {
        "ridge": {"lags": [5, 90]},
        "pooled_linear": {"alpha": [0.1]},
    }
    options: dict[str, Any] = {"pooled_linear": {"features": "lag:1-3", "ahead": 5}}
    panel = to_panel(CryptoLoader(small_folder).get_df())
    origins = choose_origins(panel.dates.min(), panel.dates.max(), DAY, 5, 4)
    found = [
        tune(CryptoLoader(small_folder, partitions), search, 5, options=options, origins=4,
             splits=2, out=out, client=client, progress=False)
        for partitions, out in ((1, None), (4, tmp_path / "out"))
    ]  # fmt: skip
    for done in found:
        assert np.array_equal(done.origins, origins)
        assert done.to_json() == found[0].to_json()
        pd.testing.assert_frame_equal(done.candidates, found[0].candidates, check_exact=True)
    expected = plain(panel, {"ridge": search["ridge"]}, origins, 5, 2)
    for name in ("candidates", "splits", "held_out"):
        own = getattr(found[0], name)
        pd.testing.assert_frame_equal(
            own[own["model"] == "ridge"], getattr(expected, name), check_exact=True
        )
    scores = found[0].candidates.set_index("candidate")["relative_mae"]
    assert np.isnan(scores["ridge[lags=90]"])  # most coins are too short for it
    assert scores.drop("ridge[lags=90]").notna().all()
    assert (tmp_path / "out" / "_manifest.json").exists()


def test_what_is_written_can_be_given_to_the_other_commands() -> None:
    done = fitting()
    told = json.loads(done.to_json())
    assert told["best"]["ridge"]["arguments"] == [
        "--model", "ridge", "--option", "ridge.alpha=1", "--option", "ridge.lags=2",
    ]  # fmt: skip
    assert told["best"]["ridge"]["options"] == {"alpha": 1.0, "lags": 2}
    assert told["best"]["ridge"]["relative_mae"] == done.chosen_by("ridge")
    assert len(told["candidates"]) == 5
    assert len(told["splits"]) == 3
    assert [row["role"] for row in told["held_out"]] == ["tuned", "as given"]


def test_what_a_shell_would_take_apart_is_quoted() -> None:
    none = pd.DataFrame()
    done = SearchResult(1, np.empty(0, dtype="datetime64[s]"),
                      {"pooled_linear": {"features": "lag:1-5 rsi:14"}},
                      none, none, none, none)  # fmt: skip
    assert done.option_lines("pooled_linear") == [
        "--model pooled_linear", "--option 'pooled_linear.features=lag:1-5 rsi:14'",
    ]  # fmt: skip


def test_where_nothing_was_forecast_there_is_no_figure_and_no_verdict() -> None:
    panel = panel_of(returns_of_lag_2(1)[:, :60])
    origins = choose_origins(panel.dates.min(), panel.dates.max(), DAY, HORIZON, 6)
    done = plain(panel, {"ridge": {"alpha": [1, 2]}}, origins, HORIZON, 2,
                 options={"ridge": {"lags": 90}})  # fmt: skip
    assert done.best == {"ridge": {"lags": "90"}}
    assert done.candidates["relative_mae"].isna().all()
    assert done.splits["candidate"].tolist() == ["ridge", "ridge"]
    judged = done.held_out.set_index("role")
    assert judged["coins"].tolist() == [0, 0]
    assert judged["relative_mae"].isna().all()
    assert set(judged["naive_verdict"]) == set(judged["given_verdict"]) == {"no verdict"}
    assert json.loads(done.to_json())["best"]["ridge"]["relative_mae"] is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"splits": 30}, "splits: 30 splits of 24 origins"),
        ({"splits": 2, "origins": ["2020-01-09", "2020-01-10"]}, "2 splits of 2 origins"),
        ({"splits": 2, "step": 1, "origins": 9}, "with 4 left out before each"),
        ({"horizon": 0}, "horizon: must be at least 1"),
    ],
)
def test_splits_that_make_no_sense_are_told_before_anything_is_forecast(
    small_folder: Path, options: dict[str, Any], told: str
) -> None:
    """Without a cluster: none is started."""
    manager = CryptoManager(small_folder)
    with pytest.raises(OptionError, match=told):
        tune(manager, SEARCH, **({"horizon": 5} | options))
    assert manager._client is None


def test_a_manager_has_its_own_cluster(client: Client, small_folder: Path) -> None:
    with pytest.raises(OptionError, match="a manager has its own cluster"):
        tune(CryptoManager(small_folder, client), SEARCH, client=client)
