"""Intervals of forecasts on a cluster: those of a backtest, wherever forecasts go."""

import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, Forecasts, backtest, create_model, import_prices
from cryptodask.errors import BrokenSeriesError, OptionError
from cryptodask.evaluate.intervals.cohorts import Intervals
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.models import Model
from cryptodask.prices.clean.gaps import GapMode
from cryptodask.results.forecasts import FORECAST_COLUMNS, sort_forecasts
from tests.conftest import Cluster, write_folder
from tests.test_manager import Spoiled

HOW = Intervals(5, 45, refit=3)
"""So that models are trained at the last of all origins: then a backtest has the same forecasts."""

LSTM = create_model("lstm", window=8, units=(4, 6), batch_size=64)
GLOBAL = create_model("lstm_global", window=8, units=(4,), steps=3, sample=4)
KEYS = ["coin", "model", "step"]
EARLY = (1, 7, 25, 100)
"""Days before the others on which some coins end."""


@pytest.fixture(scope="module")
def prices(small_prices: pd.DataFrame) -> pd.DataFrame:
    """Coins of which some end before the others."""
    last = small_prices["date"].max()
    lengths = small_prices.groupby("coin").size()
    ends = dict(zip(lengths.nlargest(len(EARLY)).index, EARLY, strict=True))
    end = last - pd.to_timedelta(small_prices["coin"].map(ends).fillna(0), unit="D")
    return small_prices[small_prices["date"] <= end].reset_index(drop=True)


@pytest.fixture(scope="module")
def folder(prices: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("bands") / "prices", prices)


def forecast(manager: CryptoManager, models: list[str | Model], **options: object) -> Forecasts:
    return manager.forecast(models, 5, progress=False, **options)


def test_they_are_those_of_a_backtest_and_change_no_forecast(
    client: Client, folder: Path, prices: pd.DataFrame
) -> None:
    manager = CryptoManager(CryptoLoader(folder, 3), client)
    models: list[str | Model] = ["naive", LSTM, GLOBAL]
    day = prices["date"].max() - pd.Timedelta(days=6)
    result = forecast(manager, models, to_date=day, intervals=HOW, seed=3)
    made = result.get_df()
    assert tuple(made.columns) == (*FORECAST_COLUMNS, *BOUNDS)
    without = forecast(manager, models, to_date=day, seed=3)
    plain = without.get_df()
    assert tuple(plain.columns) == FORECAST_COLUMNS
    pd.testing.assert_frame_equal(made[list(plain.columns)], plain, check_exact=True)
    pd.testing.assert_frame_equal(result.failures, without.failures)
    done = backtest(manager, models, 5, origins=[day], calibrate=5, warmup=45, refit=3, seed=3,
                    progress=False).get_df()  # fmt: skip
    now = made[made["cutoff"] == day].sort_values(KEYS, ignore_index=True)
    expected = done.sort_values(KEYS, ignore_index=True)[list(now.columns)]
    assert set(now["model"]) == {"naive", "lstm", "lstm_global"}
    assert now[list(BOUNDS)].notna().all(axis=None)
    pd.testing.assert_frame_equal(now, expected, check_exact=True)
    before = made[made["cutoff"] < day]
    assert before["coin"].nunique() >= 3
    assert before.loc[before["model"] == "naive", list(BOUNDS)].notna().all(axis=None)
    assert result.tasks.groupby("model")["bounded"].sum().to_dict() == (
        made[made["lower_80"].notna()].groupby("model")["coin"].nunique().to_dict()
    )
    worth = result.against_naive()
    assert set(worth) == {"naive", "lstm", "lstm_global"}
    assert worth["naive"] == 1
    assert not without.against_naive()


def test_they_are_the_same_in_memory_in_a_folder_on_workers_and_of_a_table(
    client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ["naive", "linear"]
    here = forecast(CryptoManager(CryptoLoader(folder, 1), client), models, intervals=HOW)
    plain = here.get_df()
    assert plain[list(BOUNDS)].notna().any(axis=None)
    table = import_prices(folder, tmp_path / "table", partitions=3)
    for source in (CryptoLoader(folder, 3), CryptoLoader(table.path)):
        again = forecast(CryptoManager(source, client), models, intervals=HOW)
        pd.testing.assert_frame_equal(again.get_df(), plain, check_exact=True)

    manager = CryptoManager(CryptoLoader(folder, 3), client)
    written = manager.forecast(models, 5, intervals=HOW, out=tmp_path / "out", progress=False)
    assert written.has_intervals
    joined = sort_forecasts([written.get_ddf().compute()], models, intervals=True)
    pd.testing.assert_frame_equal(joined, plain, check_exact=True)
    lazy = manager.forecast(models, 5, intervals=HOW, as_dask=True, progress=False)
    frame = lazy.get_ddf()
    assert list(frame.columns) == list(plain.columns)
    joined = sort_forecasts([frame.compute()], models, intervals=True)
    pd.testing.assert_frame_equal(joined, plain, check_exact=True)

    monkeypatch.setattr("cryptodask.cluster.paths_visible", lambda *_: False)
    shipped = forecast(manager, models, intervals=HOW)
    pd.testing.assert_frame_equal(shipped.get_df(), plain, check_exact=True)


@pytest.mark.parametrize("gaps", ["leave", "split"])
def test_what_models_see_is_cut_at_past_dates_as_it_is_now(
    client: Client, prices: pd.DataFrame, tmp_path: Path, gaps: GapMode
) -> None:
    day = prices["date"].max() - pd.Timedelta(days=3)
    # Gaps before the last origin of all, between origins, and after all of them.
    ago = (day - prices["date"]).dt.days
    hole = np.select([prices["coin"] == coin for coin in prices["coin"].unique()[:3]], [2, 12, 27])
    holey = prices[(hole == 0) | (ago < hole) | (ago > hole + 3)]
    manager = CryptoManager(write_folder(tmp_path / "holey", holey), client)
    since = prices["date"].min() + pd.Timedelta(days=90)
    cut = {"from_date": since, "to_date": day, "gaps": gaps}
    made = forecast(manager, ["linear"], **cut, window=15, intervals=HOW).get_df()
    plain = forecast(manager, ["linear"], **cut, max_points=15).get_df()
    pd.testing.assert_frame_equal(made[list(plain.columns)], plain, check_exact=True)
    done = backtest(manager, ["linear"], 5, origins=[day], calibrate=5, warmup=45, window=15,
                    from_date=since, gaps=gaps, progress=False).get_df()  # fmt: skip
    now = made[made["cutoff"] == day].sort_values(KEYS, ignore_index=True)
    expected = done[done["model"] == "linear"].sort_values(KEYS, ignore_index=True)
    pd.testing.assert_frame_equal(now, expected[list(now.columns)], check_exact=True)


def test_a_model_that_fails_costs_the_others_nothing(client: Client, folder: Path) -> None:
    manager = CryptoManager(folder, client)
    made = forecast(manager, [Spoiled(BrokenSeriesError("odd")), "naive"], intervals=HOW)
    alone = forecast(manager, ["naive"], intervals=HOW)
    pd.testing.assert_frame_equal(made.get_df(), alone.get_df(), check_exact=True)
    assert set(made.failures["exception"]) == {"BrokenSeriesError"}
    none = forecast(manager, [Spoiled(BrokenSeriesError("odd"))], intervals=HOW)
    assert tuple(none.get_df().columns) == (*FORECAST_COLUMNS, *BOUNDS)
    assert none.get_df().empty
    early = forecast(manager, ["naive"], to_date="2001-01-01", intervals=HOW)
    assert len(early) == 0
    assert set(early.failures["exception"]) == {"NoPricesError"}


def test_options_that_give_none_are_told_before_the_work(folder: Path) -> None:
    with pytest.raises(OptionError, match="warmup: must be at least calibrate, 5 bars, got 0"):
        CryptoManager(folder).forecast(["naive"], intervals=Intervals(warmup=0))


@pytest.mark.slow
def test_what_a_killed_worker_held_is_made_again(own_cluster: Cluster, folder: Path) -> None:
    for _ in range(2):
        own_cluster.add_worker("--no-nanny")
    with Client(own_cluster.address) as client:
        client.wait_for_workers(2)
        manager = CryptoManager(CryptoLoader(folder, 6), client)
        whole = forecast(manager, ["naive", "linear"], intervals=HOW)
        done: list[int] = []

        def kill_one(coins: int) -> None:
            done.append(coins)
            if sum(done) == 12 * 2:  # all forecasts are made, and no error is counted yet
                os.kill(own_cluster.workers[0].pid, signal.SIGKILL)

        hurt = forecast(manager, ["naive", "linear"], intervals=HOW, on_done=kill_one)
        assert own_cluster.workers[0].wait(10) == -signal.SIGKILL
    assert np.isfinite(whole.get_df()["lower_80"]).any()
    pd.testing.assert_frame_equal(hurt.get_df(), whole.get_df(), check_exact=True)
