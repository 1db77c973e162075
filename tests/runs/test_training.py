"""Training as of past dates, all together: the same as date by date, to the last bit."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, import_prices
from cryptodask.models.lstm.lstm_global import LSTMGlobal
from cryptodask.models.pooled.base import PooledModel
from cryptodask.models.pooled.dated_sums import Sums
from cryptodask.models.pooled.pooled_linear import PooledLinear
from cryptodask.models.trained import Trained
from cryptodask.prices.clean.gaps import GapHandling
from cryptodask.prices.row_filter import RowFilter
from cryptodask.runs.training import PastTraining
from cryptodask.runs.workload import Workload, plan_tasks
from cryptodask.worker.job import Job
from cryptodask.worker.train import (
    CoinHistories,
    TrainingDates,
    contribute_histories,
    prepare_job,
    read_histories,
)
from tests.conftest import write_folder

EVERY = "lag:1-2 return:3 close mean:3 std:4 min:3 max:2 bollinger:6 volume_change weekday"
ENDLESS = "lag:1-2 rsi:5 macd:3,6,4"
DECLARED = {
    "every": PooledLinear(EVERY, "scaled:8", "window:7", ahead=6),
    "endless": PooledLinear(ENDLESS, "log_return", "none", ahead=5),
    "coin": PooledLinear("lag:1-2 std:4", "return", "coin", ahead=4),
    "global": PooledLinear("lag:1-3", "scaled:5", "global", alpha=0.0, ahead=12),
    "cross": PooledLinear("lag:1 market:1-2", "scaled:5", "none", ahead=4),
}
HORIZON, FIRST = 4, "2025-12-20"


@pytest.fixture(scope="module")
def holey_folder(tmp_path_factory: pytest.TempPathFactory, small_prices: pd.DataFrame) -> Path:
    """Coins with gaps of one to nine days, some of them in the days before the origins."""
    rows = small_prices.groupby("coin").cumcount()
    number = small_prices.groupby("coin").ngroup()
    holes = (rows % 47 > 36 + number) | ((rows == 131) & (number % 2 == 0))
    return write_folder(tmp_path_factory.mktemp("prices") / "holey", small_prices[~holes])


def jobs_of(folder: Path, partitions: int = 3) -> list[Job]:
    loader = CryptoLoader(folder, partitions)
    return [Job((part,), seconds=1.0) for part in loader.partitions()]


def origins_of(folder: Path) -> np.ndarray[Any, Any]:
    """Dates close together and far apart, at which coins come, have gaps and end."""
    dates = np.unique(CryptoLoader(folder).get_df()["date"].to_numpy().astype("datetime64[s]"))
    return dates[[34, 90, 93, 132, 160]]


def sums_of(
    model: PooledLinear,
    histories: list[CoinHistories],
    seen: TrainingDates,
    messages: dict[int, Any],
) -> dict[int, Sums]:
    found: dict[int, Sums] = contribute_histories(seen, histories, messages, model.steps - 1)
    return found


def plainly(
    model: PooledModel, jobs: list[Job], cut: RowFilter, date: np.datetime64, window: int | None
) -> Any:
    """The state of a training of its own, from files that are read as of the date alone."""
    as_of = replace(cut, last=date, max_points=window)
    prepared = [part for job in jobs for part in prepare_job(job, as_of, model, HORIZON)]
    state = model.begin(0)
    for step in range(model.steps):
        sums = [model.contribute(part, model.message(state), step, 0) for part in prepared]
        total: Any = sums[0]
        for one in sums[1:]:
            total = total + one
        state = model.advance(state, total)
    return state


@pytest.fixture(scope="module")
def holey_table(holey_folder: Path) -> Path:
    """The same as a table, which is read faster than texts are parsed."""
    return import_prices(holey_folder, holey_folder.with_name("holey-table")).path


@pytest.mark.parametrize(("gaps", "window"), [
    (GapHandling(), None), (GapHandling(), 40), (GapHandling("split"), None),
    (GapHandling("split"), 40), (GapHandling("fill", 3), 40),
])  # fmt: skip
@pytest.mark.parametrize("name", DECLARED)
def test_sums_as_of_every_date_are_those_of_reading_up_to_it(
    holey_table: Path, name: str, window: int | None, gaps: GapHandling
) -> None:
    model, origins = DECLARED[name], origins_of(holey_table)
    jobs = jobs_of(holey_table)
    cut = RowFilter.of(None, FIRST, None, gaps)
    states = [plainly(model, jobs, cut, date, window) for date in origins]
    seen = TrainingDates(model, origins, window, HORIZON, 0)
    whole = replace(cut, last=origins.max())
    histories = [h for job in jobs for h in read_histories(job, whole, model.columns)]
    messages = {number: model.message(state) for number, state in enumerate(states)}
    found = sums_of(model, histories, seen, messages)
    counts = []
    for number, state in enumerate(states):
        own = found[number]
        assert (own.inner == state.sums.inner).all()
        assert (own.outer == state.sums.outer).all()
        counts.append(int(state.sums.inner[:, 0, 0].sum()))
    assert max(counts) > 0


@pytest.mark.parametrize("name", DECLARED)
def test_later_rows_change_no_sum_as_of_a_date(holey_folder: Path, name: str) -> None:
    model, origins = DECLARED[name], origins_of(holey_folder)
    cut = RowFilter.of(None, None, None)
    [history] = read_histories(jobs_of(holey_folder, 1)[0], cut, model.columns)
    seen = TrainingDates(model, origins, None, HORIZON, 0)
    panel = history.panel
    later = panel.dates > origins[2]
    poisoned = replace(panel, values=np.where(later, panel.values[::-1] * 1e6, panel.values))
    found = []
    for one in (history, replace(history, panel=poisoned)):
        states = {number: model.begin(0) for number in range(len(origins))}
        for step in range(model.steps):
            messages = {number: model.message(state) for number, state in states.items()}
            sums = contribute_histories(seen, [one], messages, step)
            states = {n: model.advance(state, sums[n]) for n, state in states.items()}
        found.append([state.sums.outer for state in states.values()])
    same = [bool((one == other).all()) for one, other in zip(*found, strict=True)]
    assert same == [True, True, True, False, False]


@pytest.mark.parametrize("refit", [1, 2])
@pytest.mark.parametrize("name", ["every", "cross", "lstm"])
def test_models_over_the_workers_are_those_of_the_plain_loop(
    client: Client, holey_folder: Path, name: str, refit: int
) -> None:
    lstm = LSTMGlobal(window=8, units=(4,), steps=2, sample=4)
    model: PooledModel = lstm if name == "lstm" else DECLARED[name]
    origins, jobs, cut = (
        origins_of(holey_folder),
        jobs_of(holey_folder),
        RowFilter.of(None, None, None),
    )
    manager, said = CryptoManager(CryptoLoader(holey_folder, 3), client), list[str]()
    source, coins = manager.loader.source, manager.loader.get_crypto_names()
    tasks = plan_tasks(source, coins, [model], 2, 3)
    work = Workload(source, coins, [model], tasks, manager.localised).together(model, 4)
    training = PastTraining(
        client, model, work, cut, HORIZON, 0, said.append, origins=origins, window=60
    )
    done = training.train_every(refit)
    assert not done.failures
    assert np.array_equal(done.origins, origins)
    for number, trained in enumerate(done.models):
        if number % refit:
            assert trained is done.models[number - 1]
            continue
        plain = model.trained(plainly(model, jobs, cut, origins[number], 60))
        assert pickle.dumps(numbers_of(trained)) == pickle.dumps(numbers_of(plain))
    assert said[0] == f"{model.name}: reading"
    assert said[-1] == ""


def numbers_of(trained: Any) -> list[bytes]:
    """The bytes of all that was learned."""
    assert isinstance(trained, Trained)
    return [array.tobytes() for array in trained.learned.arrays.values()]
