"""One network for all coins, trained over the workers: the same as in a plain loop."""

import os
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, Forecasts, create_model, import_prices
from cryptodask.errors import MissingExtraError
from cryptodask.models import run_model
from cryptodask.models.lstm.lstm_global import LSTMGlobal
from cryptodask.prices.panels import to_panel
from cryptodask.prices.row_filter import RowFilter
from cryptodask.prices.synthetic import coin_name
from cryptodask.records import Panel
from cryptodask.runs.training import Training
from cryptodask.runs.workload import Workload, plan_tasks
from tests.conftest import Cluster, running

SMALL = LSTMGlobal(window=8, units=(4, 6), steps=6, sample=8)


@pytest.fixture(scope="module")
def plain(small_folder: Path) -> pd.DataFrame:
    """Forecasts of the small folder by a model that was trained on one panel, without Dask."""
    return plainly(small_folder, SMALL)


def plainly(folder: Path, model: LSTMGlobal, coins: list[str] | None = None) -> pd.DataFrame:
    panel = to_panel(CryptoLoader(folder).get_df(coins))
    result = run_model(model, panel, 4, seed=3)
    frame = pd.DataFrame(result.values, index=list(result.coins))
    return frame.sort_index()


def wide(forecasts: Forecasts, model: str = SMALL.name) -> pd.DataFrame:
    table = forecasts.get_df()
    frame = table[table["model"] == model]
    return frame.pivot(index="coin", columns="step", values="forecast")


def assert_same(forecasts: Forecasts, plain: pd.DataFrame) -> None:
    assert list(wide(forecasts).index) == list(plain.index)
    assert np.array_equal(wide(forecasts).to_numpy(), plain.to_numpy())


@pytest.mark.parametrize("partitions", [1, 5, 12])
def test_equals_the_plain_loop_for_any_partitioning(
    client: Client, small_folder: Path, plain: pd.DataFrame, partitions: int
) -> None:
    loader = CryptoLoader(small_folder, partitions)
    result = CryptoManager(loader, client).forecast(["naive", SMALL], 4, seed=3, progress=False)
    assert_same(result, plain)
    assert result.get_df()["model"].nunique() == 2
    [failure] = result.failures[result.failures["model"] == SMALL.name].itertuples()
    assert failure.exception == "ConstantSeriesError"


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_equals_for_any_number_of_workers(
    small_folder: Path, plain: pd.DataFrame, workers: int
) -> None:
    with CryptoManager(CryptoLoader(small_folder, 6), workers=workers) as manager:
        result = manager.forecast([SMALL], 4, seed=3, progress=False)
        assert len(manager.client.nthreads()) == workers  # asked now: the info of a client is older
    assert_same(result, plain)


def test_a_table_and_some_of_its_coins(client: Client, small_folder: Path, tmp_path: Path) -> None:
    table = import_prices(small_folder, tmp_path / "table", partitions=3)
    coins = CryptoLoader(small_folder).get_crypto_names()[::2]
    result = CryptoManager(str(table.path), client).forecast(
        [SMALL], 4, coins, seed=3, progress=False
    )
    assert_same(result, plainly(small_folder, SMALL, coins))


def test_training_that_fails_is_told_of_every_coin_and_other_models_go_on(
    client: Client, small_folder: Path
) -> None:
    wild = create_model("lstm_global", window=8, units=(4,), steps=3, learning_rate=1e38)
    long = create_model("lstm_global", window=900, units=(4,), max_rows=901)
    done: list[int] = []
    for model, told in ((wild, "lower learning_rate"), (long, "nothing to train on")):
        result = CryptoManager(small_folder, client).forecast(
            ["naive", model], 4, progress=False, on_done=done.append
        )
        assert len(result) == 12 * 4
        assert len(result.failures) == 12
        assert result.failures["message"].str.contains(told).all()
    assert sum(done) == 2 * 2 * 12


def test_what_concerns_every_coin_is_raised(
    client: Client, small_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise MissingExtraError("pip install it")

    monkeypatch.setattr("cryptodask.runs.training.prepare_job", missing)
    with pytest.raises(MissingExtraError, match="pip install"):
        CryptoManager(small_folder, client).forecast([SMALL], progress=False)


@pytest.mark.slow
def test_a_worker_killed_in_training_costs_nothing_but_time(
    own_cluster: Cluster, small_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LSTMGlobal(window=8, units=(8,), steps=40, sample=32)
    for _ in range(2):
        own_cluster.add_worker("--no-nanny")
    advance, steps = LSTMGlobal.advance, []

    def kill_one(self: LSTMGlobal, state: object, sums: object) -> object:
        steps.append(1)
        if len(steps) == 5:
            own_cluster.workers[0].send_signal(signal.SIGKILL)
        return advance(self, state, sums)

    with Client(own_cluster.address) as client:
        client.wait_for_workers(2)
        monkeypatch.setattr(LSTMGlobal, "advance", kill_one)
        loader = CryptoLoader(small_folder, 6)
        hurt = CryptoManager(loader, client).forecast([model], 4, seed=3, progress=False)
        monkeypatch.undo()
        own_cluster.workers[0].wait(10)
        deadline = time.monotonic() + 30
        while len(client.scheduler_info()["workers"]) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(client.scheduler_info()["workers"]) == 1
    assert len(steps) == 40
    assert_same(hurt, plainly(small_folder, model))


def test_the_bar_says_how_far_training_is(
    client: Client, small_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    manager = CryptoManager(small_folder, client)
    said: list[str] = []
    source, coins = manager.loader.source, manager.loader.get_crypto_names()
    tasks = plan_tasks(source, coins, [SMALL], 2, None)
    work = Workload(source, coins, [SMALL], tasks, manager.localised)
    Training(client, SMALL, work, RowFilter.of(None, None, None), 4, 3, said.append).train()
    steps = [f"lstm_global: step {n} of 6" for n in range(1, 7)]
    assert said == ["lstm_global: reading", *steps, ""]
    manager.forecast([SMALL], 4, progress=True)
    assert "coins × models" in capfd.readouterr().err


class Named(LSTMGlobal):
    """The same network under a name of its own, by which it draws its numbers."""

    name: ClassVar[str] = "lstm_fatal"


class Fatal(Named):
    """A model whose workers die when they prepare one coin."""

    coin: ClassVar[str] = coin_name(5)

    def prepare(self, panel: Panel) -> object:
        """Die, or do as the others."""
        if self.coin in panel.coins:
            os.abort()
        return super().prepare(panel)


@pytest.mark.slow
def test_a_coin_that_workers_die_of_in_training_is_left_out_of_it(
    tmp_path: Path, small_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {"window": 8, "units": (4, 6), "steps": 6, "sample": 8}
    coins = CryptoLoader(small_folder).get_crypto_names()
    others = [coin for coin in coins if coin != Fatal.coin]
    assert len(others) < len(coins)
    preload = "--preload", "cryptodask.dashboard"
    with (
        running(tmp_path, *preload, workers=2) as cluster,
        Client(cluster.address) as client,
    ):
        client.wait_for_workers(2)
        manager = CryptoManager(CryptoLoader(small_folder, 4), client)
        hurt = manager.forecast([Fatal(**options)], 4, seed=3, progress=False)
    assert f"trained without {Fatal.coin}" in caplog.text
    whole = wide(hurt, Fatal.name)
    assert Fatal.coin in whole.index  # forecast by what the others taught
    expected = plainly(small_folder, Named(**options), others)
    assert np.array_equal(whole.drop(Fatal.coin).to_numpy(), expected.to_numpy())
