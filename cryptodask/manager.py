"""`CryptoManager`: the one place where prices, models and a cluster meet."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, MissingExtraError, NoPricesError, OptionError
from cryptodask.models import Model, create_model, run_model
from cryptodask.models.base import check_horizon
from cryptodask.prices import CryptoLoader
from cryptodask.prices.findings import join_findings, lost
from cryptodask.prices.gaps import Gaps, How, last_runs
from cryptodask.prices.loader import Cut, Day, to_panel
from cryptodask.prices.readers import Reading
from cryptodask.prices.sources import Partition
from cryptodask.records import CoinFailure

if TYPE_CHECKING:
    import dask.dataframe as dd
    from dask.distributed import Client, Future

FORECAST_COLUMNS = ("coin", "model", "cutoff", "date", "step", "forecast")
FAILURE_COLUMNS = ("coin", "model", "exception", "message")

OnDone = Callable[[int], None]
"""Called with the number of coins (times models) that were done since the last call."""


class Forecasts(pd.DataFrame):
    """The forecast table, with what happened on the way.

    A dataframe ``coin, model, cutoff, date, step, forecast``, by coin, model and step: ``cutoff``
    is the last date that the model saw, ``date`` the day forecast, ``step`` the bars between,
    ``forecast`` the price in the quote currency. What is made from it is a plain dataframe.

    Attributes
    ----------
    failures : DataFrame
        ``coin, model, exception, message``: every coin and model without a forecast.
    lost : DataFrame
        Rows and files that could not be read, with file, line and reason, where the prices came
        from a folder; see `cryptodask.prices.findings`. An import has told them of a table.
    tasks : DataFrame
        ``model, coins, rows, worker, read, fit``: what each future did, with seconds.
    """

    _metadata = ["failures", "lost", "tasks"]  # noqa: RUF012 - pandas reads it from the class
    failures: pd.DataFrame
    lost: pd.DataFrame
    tasks: pd.DataFrame

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame


@dataclass(frozen=True)
class PartitionForecast:
    """What one future brings back: a small frame, failures, and seconds."""

    forecasts: pd.DataFrame
    failures: list[CoinFailure]
    lost: pd.DataFrame
    rows: int
    worker: str
    read: float
    fit: float


@dataclass(frozen=True)
class ShippedPartition:
    """A partition whose rows travel with it, for workers that do not see its files."""

    coins: tuple[str, ...]
    reading: Reading
    rows: int
    freq: str
    paths: tuple[str, ...] = ()

    def read(self) -> pd.DataFrame:
        """Return the rows."""
        return self.reading.prices

    def load(self) -> Reading:
        """Return the rows, and what was found in their files."""
        return self.reading


def forecast_partition(
    partition: Partition, cut: Cut, model: Model, horizon: int, seed: int
) -> PartitionForecast:
    """Read a partition and forecast all its coins with one model: what a worker does.

    A pure function of its arguments and of the files that the partition names.
    """
    started = time.perf_counter()
    reading = partition.load()
    prices = cut(reading.prices)
    seen = last_runs(prices, cut.freq) if cut.gaps.how == "split" else prices
    read = time.perf_counter()
    result = run_model(model, to_panel(seen, cut.freq), horizon, seed)
    n, horizon = result.values.shape
    forecasts = pd.DataFrame(
        {
            "coin": np.repeat(np.array(result.coins, dtype=object), horizon),
            "model": model.name,
            "cutoff": np.repeat(result.cutoffs, horizon),
            "date": result.dates.ravel(),
            "step": np.tile(np.arange(1, horizon + 1), n),
            "forecast": result.values.ravel(),
        }
    ).astype(empty_forecasts().dtypes.to_dict())
    absent = sorted(set(partition.coins) - set(prices["coin"]))
    failures = result.failures + [
        CoinFailure.of(coin, model.name, NoPricesError(f"{coin}: no row in the days asked for"))
        for coin in absent
    ]
    return PartitionForecast(
        forecasts,
        failures,
        lost(reading.findings),
        rows=len(prices),
        worker=_worker_address(),
        read=read - started,
        fit=time.perf_counter() - read,
    )


class CryptoManager:
    """Forecasts of many coins, by many models, on a cluster.

    Parameters
    ----------
    loader : CryptoLoader or path
        Where the prices are.
    client : dask.distributed.Client, optional
        Of the cluster to run on. Without one a local cluster is started by the first run, with
        one thread a worker, and closed by `close` or at the end of a ``with`` block.
    workers : int, optional
        Processes of that local cluster; by default one a core.

    Examples
    --------
    >>> with CryptoManager("data") as manager:                          # doctest: +SKIP
    ...     forecasts = manager.send_tasks(model="linear", predict=10)
    ...     forecasts.failures
    """

    def __init__(
        self,
        loader: CryptoLoader | str | Path,
        client: "Client | None" = None,
        *,
        workers: int | None = None,
    ) -> None:
        if client is not None and workers is not None:
            raise OptionError(f"workers: {workers} were asked for, but the client has its own")
        self.loader = loader if isinstance(loader, CryptoLoader) else CryptoLoader(loader)
        self._client = client
        self._workers = workers
        self._owned = False

    @property
    def client(self) -> "Client":
        """The client, of a local cluster that is started if there is none yet."""
        if self._client is None:
            from cryptodask.cluster import local_client

            self._client = local_client(self._workers)
            self._owned = True
        return self._client

    def close(self) -> None:
        """Close the local cluster, if one was started here."""
        if self._owned and self._client is not None:
            from cryptodask.cluster import close_local

            close_local(self._client)
            self._client, self._owned = None, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send_tasks(
        self,
        model: str | Model = "linear",
        predict: int = 10,
        coins: Sequence[str] | None = None,
        *,
        seed: int = 0,
        progress: bool = True,
    ) -> Forecasts:
        """Forecast coins with one model; see `forecast`."""
        result = self.forecast([model], predict, coins, seed=seed, progress=progress)
        assert isinstance(result, Forecasts)
        return result

    def forecast(
        self,
        models: Sequence[str | Model] = ("linear",),
        horizon: int = 10,
        coins: Sequence[str] | None = None,
        *,
        from_date: Day | None = None,
        to_date: Day | None = None,
        max_points: int | None = None,
        gaps: How = "leave",
        gap_limit: int | None = None,
        seed: int = 0,
        as_dask: bool = False,
        progress: bool = True,
        on_done: OnDone | None = None,
    ) -> "Forecasts | dd.DataFrame":
        """Forecast coins with several models, one future for each partition and model.

        The same prices, models, options and seed give the same forecasts, bit for bit, whatever
        the number of workers, the partitioning, or the order in which partitions end.

        Parameters
        ----------
        models : sequence of str or Model
            Names in the catalog, or models made by `create_model` with options.
        horizon : int
            Days ahead; bars, of prices that are not daily.
        coins : sequence of str, optional
            By default all coins of the source.
        from_date, to_date, max_points
            Which rows the models see; see `CryptoLoader.get_df`.
        gaps : {"leave", "fill", "split"}
            What models see of coins with gaps: all rows, and each model does what it says of
            itself (`cryptodask.models.base.Model.gaps`); short gaps filled; or the rows after the
            last gap.
        gap_limit : int, optional
            For "fill": missing bars at most of a gap that is filled.
        seed : int
            Of all random numbers.
        as_dask : bool
            Whether the forecasts stay on the workers and a Dask dataframe of them is returned.
        progress : bool
            Whether a bar of coins is shown on standard error.
        on_done : callable, optional
            Told how many coins were done, each time some are.

        Returns
        -------
        Forecasts or dask.dataframe.DataFrame
            Either with the attribute ``failures``. Coins fail alone, by name; only what concerns
            every coin is raised.

        Raises
        ------
        UnknownCoinError, UnknownModelError, OptionError
            What was asked for can't be done.
        MissingExtraError
            A model's packages are not installed on the workers.
        """
        chosen = _models(models)
        check_horizon(horizon)
        cut = Cut.of(max_points, from_date, to_date, Gaps(gaps, gap_limit), self.loader.freq)
        partitions, failures = self._plan(coins, chosen)
        calls = [(p, cut, m, horizon, seed) for m in chosen for p in partitions]
        total = sum(len(p.coins) for p in partitions) * len(chosen)
        with _bar(total, progress) as advance:
            done = [advance, *([on_done] if on_done else [])]
            futures = self._submit(calls)
            try:
                outcomes = self._wait(futures, calls, done, results=not as_dask)
            except BaseException:
                self.client.cancel(futures)
                raise
        if as_dask:
            return self._as_dask(futures, outcomes, calls, failures)
        for call, outcome in zip(calls, outcomes, strict=True):
            failures += _failures(call, outcome)
        return _gather(outcomes, failures, [m.name for m in chosen])

    def _plan(
        self, coins: Sequence[str] | None, models: Sequence[Model]
    ) -> tuple[Sequence[Partition], list[CoinFailure]]:
        """Return the partitions to run, and the coins that have nothing to run on."""
        empty = self.loader.source.empty
        wanted = [coins] if isinstance(coins, str) else coins
        without = [c for c in empty if wanted is None or c in wanted]
        failures = [
            CoinFailure.of(coin, model.name, NoPricesError(empty[coin]))
            for coin in without
            for model in models
        ]
        if wanted is not None:
            wanted = [c for c in wanted if c not in empty]
            if not wanted and without:
                return [], failures
        partitions = self.loader.partitions(wanted)
        if self._client is not None and not self._owned:
            from cryptodask.cluster import paths_visible

            if not paths_visible(self._client, partitions[0].paths[:1]):
                partitions = [
                    ShippedPartition(p.coins, p.load(), p.rows, p.freq) for p in partitions
                ]
        return partitions, failures

    def _submit(self, calls: Sequence[tuple[Any, ...]]) -> "list[Future]":
        from cryptodask.cluster import submit

        if not calls:
            return []
        costs = [partition.rows * model.cost for partition, _, model, _, _ in calls]
        names = [model.name for _, _, model, _, _ in calls]
        return submit(self.client, forecast_partition, calls, costs, names, uuid4().hex[:8])

    def _wait(
        self,
        futures: "Sequence[Future]",
        calls: Sequence[tuple[Any, ...]],
        done: Sequence[OnDone],
        *,
        results: bool,
    ) -> list[Any]:
        """Return what came of each call, in the order of the calls."""
        from cryptodask.cluster import collect

        outcomes: list[Any] = [None] * len(calls)
        for outcome in collect(futures, results=results):
            if isinstance(outcome.error, (InputError, MissingExtraError, ImportError)):
                raise outcome.error
            outcomes[outcome.index] = outcome.error or outcome.result
            for tell in done:
                tell(len(calls[outcome.index][0].coins))
        return outcomes

    def _as_dask(
        self,
        futures: "Sequence[Future]",
        outcomes: Sequence[Any],
        calls: Sequence[tuple[Any, ...]],
        failures: list[CoinFailure],
    ) -> "dd.DataFrame":
        """Return the forecasts as a Dask dataframe over the futures; only failures come here."""
        import dask
        import dask.dataframe as dd

        good = [f for f, o in zip(futures, outcomes, strict=True) if not isinstance(o, Exception)]
        frames = [self.client.submit(_forecasts_of, f, pure=False) for f in good]
        told = self.client.gather([self.client.submit(_failures_of, f, pure=False) for f in good])
        for call, outcome in zip(calls, outcomes, strict=True):
            if isinstance(outcome, Exception):
                failures += _failures(call, outcome)
        failures += [failure for some in told for failure in some]
        with dask.config.set({"dataframe.convert-string": False}):
            if frames:
                result = dd.from_delayed(frames, meta=empty_forecasts(), verify_meta=False)
            else:
                result = dd.from_pandas(empty_forecasts(), npartitions=1)
        result.failures = failure_table(failures)
        return result


def empty_forecasts() -> pd.DataFrame:
    """Return a forecast table of no rows, with the dtypes that every forecast table has."""
    types = {"coin": "str", "model": "str", "step": "int64", "forecast": "float64"}
    days = dict.fromkeys(("cutoff", "date"), "datetime64[s]")
    return pd.DataFrame({c: pd.Series(dtype=(types | days)[c]) for c in FORECAST_COLUMNS})


def failure_table(failures: Sequence[CoinFailure]) -> pd.DataFrame:
    """Return failures as a table, by coin and model."""
    frame = pd.DataFrame([asdict(f) for f in failures], columns=list(FAILURE_COLUMNS), dtype="str")
    return frame.sort_values(["coin", "model"], kind="stable", ignore_index=True)


def _models(models: Sequence[str | Model]) -> list[Model]:
    given = [models] if isinstance(models, str) else list(models)
    chosen = [create_model(m) if isinstance(m, str) else m for m in given]
    names = [m.name for m in chosen]
    if not names:
        raise OptionError("models: none given; name at least one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(f"models: {', '.join(twice)} given twice; give each model once")
    return chosen


def _failures(call: tuple[Any, ...], outcome: Any) -> list[CoinFailure]:
    """Return the failures of one call, all of whose coins fail where the call as a whole did."""
    if isinstance(outcome, PartitionForecast):
        return outcome.failures
    return [CoinFailure.of(coin, call[2].name, outcome) for coin in call[0].coins]


def _gather(
    outcomes: Sequence[Any], failures: Sequence[CoinFailure], order: list[str]
) -> Forecasts:
    good = [o for o in outcomes if isinstance(o, PartitionForecast)]
    frame = pd.concat([empty_forecasts(), *(o.forecasts for o in good)], ignore_index=True)
    rank = frame["model"].map({name: i for i, name in enumerate(order)})
    places = np.lexsort(
        [frame["step"].to_numpy(), rank.to_numpy(), frame["coin"].to_numpy(dtype=object)]
    )
    result = Forecasts(frame.iloc[places].reset_index(drop=True))
    result.failures = failure_table(failures)
    # Every model of a partition read the same files.
    result.lost = join_findings(o.lost for o in good).drop_duplicates(ignore_index=True)
    result.tasks = pd.DataFrame(
        [
            {
                "model": o.forecasts["model"].iloc[0] if len(o.forecasts) else "",
                "coins": o.forecasts["coin"].nunique(),
                "rows": o.rows,
                "worker": o.worker,
                "read": o.read,
                "fit": o.fit,
            }
            for o in good
        ],
        columns=["model", "coins", "rows", "worker", "read", "fit"],
    )
    return result


def _forecasts_of(result: PartitionForecast) -> pd.DataFrame:
    return result.forecasts


def _failures_of(result: PartitionForecast) -> list[CoinFailure]:
    return result.failures


def _worker_address() -> str:
    from dask.distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return "local"


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[OnDone]:
    """Show a progress bar over coins on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("coins × models"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task("", total=total)
        yield lambda coins: bar.advance(task, coins)
