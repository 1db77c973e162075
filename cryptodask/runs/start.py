"""How runs are started: by a spec, or by what a user says in Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.cohorts import Intervals
from cryptodask.io.paths import AnyPath, path_of
from cryptodask.models import Model
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.gaps import GapMode
from cryptodask.prices.days import Day
from cryptodask.prices.read.options import DEFAULT_OPTIONS
from cryptodask.results import Backtest, Forecasts, SearchResult
from cryptodask.runs.engine import OnDone, run_kind
from cryptodask.runs.kind import Kind
from cryptodask.runs.kinds.backtest import BacktestKind
from cryptodask.runs.kinds.forecast import ForecastKind
from cryptodask.runs.kinds.search import SearchKind
from cryptodask.runs.session import Session, open_session
from cryptodask.runs.spec import (
    CALIBRATE,
    WARMUP,
    BacktestSpec,
    ForecastSpec,
    RunSpec,
    SearchSpec,
    Values,
)

if TYPE_CHECKING:
    from dask.distributed import Client

KINDS: Mapping[type[RunSpec], type[Kind[Any, Any]]] = {
    ForecastSpec: ForecastKind,
    BacktestSpec: BacktestKind,
    SearchSpec: SearchKind,
}

Source = CryptoLoader | Session | str | Path
Models = Sequence[str | Model]
S = TypeVar("S", bound=RunSpec)


@overload
def run_spec(spec: ForecastSpec, session: Session, **how: Any) -> Forecasts: ...
@overload
def run_spec(spec: BacktestSpec, session: Session, **how: Any) -> Backtest: ...
@overload
def run_spec(spec: SearchSpec, session: Session, **how: Any) -> SearchResult: ...
@overload
def run_spec(
    spec: RunSpec, session: Session, **how: Any
) -> Forecasts | Backtest | SearchResult: ...
def run_spec(  # type: ignore[misc]
    spec: RunSpec,
    session: Session,
    *,
    models: Models = (),
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    as_dask: bool = False,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> Forecasts | Backtest | SearchResult:
    """Run what a spec says.

    The same prices and spec give the same result, bit for bit, whatever the number of workers,
    the partitioning, or the order in which jobs end.

    Parameters
    ----------
    spec : RunSpec
    session : Session
        Prices and client.
    models : sequence of str or Model
        Those that the spec names, where they were made in Python.
    out : path, optional
        A folder that the workers see, or a URL that fsspec knows, as ``s3://bucket/folder``: they
        write the result there. What is there already of the same run is not done again. What a
        URL's file system needs to know is set in fsspec's configuration, here and on the workers.
    overwrite : bool
        Whether another run in that folder may be replaced.
    as_dask : bool
        Whether forecasts stay on the workers; see `Forecasts.get_ddf`.
    progress : bool
        Whether a progress bar is shown on standard error.
    on_done : callable, optional
        Called with the number of coins (times models) that were done, each time some are.

    Returns
    -------
    Forecasts, Backtest or SearchResult
        By the kind of the spec. Coins fail alone, by name, in ``failures``; only what concerns
        every coin is raised.

    Raises
    ------
    UnknownCoinError, OptionError
        What was asked for can't be done with these prices.
    InputError
        ``out`` holds something else, or another run.
    ClusterError
        The workers do not see ``out``, or the scheduler is gone.
    WriteError
        ``out`` can't be written to: the disk is full.
    MissingExtraError
        A model's packages are not installed on the workers, or those of a URL's file system are
        not here.
    """
    place = None if out is None else path_of(out)
    if as_dask and (place is not None or not isinstance(spec, ForecastSpec)):
        raise OptionError("as_dask: forecasts are either left on the workers or written, not both")
    given = {model.name: model for model in models if not isinstance(model, str)}
    named = getattr(spec, "models", ())
    created = [given.get(model.name) or model.create() for model in named]
    kind = KINDS[type(spec)](spec, session, created)
    result: Forecasts | Backtest | SearchResult = run_kind(
        kind, out=place, overwrite=overwrite, as_dask=as_dask, progress=progress, on_done=on_done
    )
    return result


def source_of(loader: CryptoLoader) -> dict[str, Any]:
    """Return what a spec says of its prices."""
    told = loader.options == DEFAULT_OPTIONS
    return {
        "source": str(loader.path.resolve()) if told else None,
        "partitions": loader.n_partitions,
    }


def _make(kind: type[S], session: Session, **values: Any) -> S:
    """Return a spec of what a user says in Python, which its fields convert and check."""
    return kind(**source_of(session.loader), **values)


def forecast(
    source: Source,
    models: Models = ("linear",),
    horizon: int = 10,
    coins: Sequence[str] | None = None,
    *,
    from_date: Day | None = None,
    to_date: Day | None = None,
    gaps: GapMode = "leave",
    gap_limit: int | None = None,
    window: int | Literal["expanding"] = "expanding",
    refit: int = 1,
    seed: int = 0,
    timeout: float | None = None,
    intervals: bool | Intervals = False,
    calibrate: int = CALIBRATE,
    warmup: int = WARMUP,
    as_dask: bool = False,
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> Forecasts:
    """Forecast coins with several models, as futures of some coins and one model each.

    Parameters
    ----------
    source : CryptoLoader, CryptoManager or path
        Where the prices are; or a manager, which is used with its cluster.
    models : sequence of str or Model
        Names in the catalog, or models made by `create_model` with options.
    horizon, coins, from_date, to_date, gaps, gap_limit, window, refit, seed, timeout
        See `cryptodask.runs.spec.RunSpec`.
    intervals : bool or Intervals
        Whether 80 and 95% intervals are put beside the forecasts. Where no error was known, or a
        forecast is not above 0, there is NaN, and the coin does not count as ``bounded`` in
        ``tasks``.
    calibrate, warmup : int
        See `cryptodask.runs.spec.ForecastSpec`.
    as_dask, out, overwrite, progress, on_done
        See `run_spec`.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where there is no client.

    Returns
    -------
    Forecasts

    Raises
    ------
    CryptoDaskError
        See `run_spec`.

    Examples
    --------
    >>> forecast("data", ["naive", "linear"], 10).get_df()         # doctest: +SKIP
    """
    if isinstance(intervals, Intervals):
        calibrate, warmup, refit = intervals.calibrate, intervals.warmup, intervals.refit
    with open_session(source, client, workers) as session:
        spec = _make(
            ForecastSpec, session, models=models, horizon=horizon, coins=coins,
            from_date=from_date, to_date=to_date, gaps=gaps, gap_limit=gap_limit, window=window,
            refit=refit, seed=seed, timeout=timeout, intervals=bool(intervals),
            calibrate=calibrate, warmup=warmup,
        )  # fmt: skip
        return run_spec(
            spec, session, models=models, out=out, overwrite=overwrite, as_dask=as_dask,
            progress=progress, on_done=on_done,
        )  # fmt: skip


def backtest(
    source: Source,
    models: Models = ("naive",),
    horizon: int = 10,
    *,
    coins: Sequence[str] | None = None,
    from_date: Day | None = None,
    to_date: Day | None = None,
    gaps: GapMode = "leave",
    gap_limit: int | None = None,
    window: int | Literal["expanding"] = "expanding",
    refit: int = 1,
    seed: int = 0,
    timeout: float | None = None,
    origins: int | Sequence[Day] = 12,
    step: int | None = None,
    intervals: bool = True,
    calibrate: int = CALIBRATE,
    warmup: int = WARMUP,
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> Backtest:
    """Forecast coins as of past dates, and put beside it what came.

    A model is given copies of the rows up to an origin and of nothing later; a coin takes part in
    the origins on which it has a row. ``naive`` is always run, since others are measured by it.

    Parameters
    ----------
    source, models
        See `forecast`.
    horizon, coins, from_date, to_date, gaps, gap_limit, window, refit, seed, timeout
        See `cryptodask.runs.spec.RunSpec`.
    origins, step, intervals, calibrate, warmup
        See `cryptodask.runs.spec.BacktestSpec`. For an expensive model, let there be no further
        origins (``calibrate=0``): the first origin then has no intervals, and the next have vague
        ones.
    out, overwrite, progress, on_done
        See `run_spec`.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where there is no client.

    Returns
    -------
    Backtest

    Raises
    ------
    CryptoDaskError
        See `run_spec`.

    Examples
    --------
    >>> backtest("data", ["linear"], 10, origins=6).scores()       # doctest: +SKIP
    """
    with open_session(source, client, workers) as session:
        spec = _make(
            BacktestSpec, session, models=models, horizon=horizon, coins=coins,
            from_date=from_date, to_date=to_date, gaps=gaps, gap_limit=gap_limit, window=window,
            refit=refit, seed=seed, timeout=timeout, origins=origins, step=step,
            intervals=intervals, calibrate=calibrate, warmup=warmup,
        )  # fmt: skip
        return run_spec(
            spec, session, models=models, out=out, overwrite=overwrite, progress=progress,
            on_done=on_done,
        )  # fmt: skip


def tune(
    source: Source,
    search: Values,
    horizon: int = 10,
    *,
    coins: Sequence[str] | None = None,
    from_date: Day | None = None,
    to_date: Day | None = None,
    gaps: GapMode = "leave",
    gap_limit: int | None = None,
    window: int | Literal["expanding"] = "expanding",
    refit: int = 1,
    seed: int = 0,
    timeout: float | None = None,
    options: Values | None = None,
    random: int | None = None,
    origins: int | Sequence[Day] = 24,
    step: int | None = None,
    splits: int = 4,
    out: str | AnyPath | None = None,
    overwrite: bool = False,
    client: "Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    on_done: OnDone | None = None,
) -> SearchResult:
    """Find the options of models that would have forecast best, and what finding them was worth.

    Every combination of values is a candidate, and so is the model as given. All of them are
    backtested at once, as futures of some coins and one candidate each. Candidates of a model are
    compared by their mean absolute error over that of naive (the geometric mean over coins), on
    the coins and origins that all of them forecast.

    The best over all origins is the result. Its score is optimistic, since it is the best of
    many; so choosing is tried out on the past, too: the best at the first origins is judged by the
    next ones, which took no part in the choice and began when all that did had come in full.
    Tashman, Out-of-sample tests of forecasting accuracy, International Journal of Forecasting 16
    (2000); Cawley and Talbot, On over-fitting in model selection, JMLR 11 (2010).

    Parameters
    ----------
    source
        See `forecast`.
    search, options, random, origins, step, splits
        See `cryptodask.runs.spec.SearchSpec`.
    horizon, coins, from_date, to_date, gaps, gap_limit, window, refit, seed, timeout
        See `cryptodask.runs.spec.RunSpec`.
    out, overwrite, progress, on_done
        See `run_spec`. With ``out`` the client holds only the forecasts that judge the choice.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where there is no client.

    Returns
    -------
    SearchResult

    Raises
    ------
    CryptoDaskError
        See `run_spec`.

    Examples
    --------
    >>> tune("data", {"ridge": {"alpha": [1, 10, 100]}}).best      # doctest: +SKIP
    """
    with open_session(source, client, workers) as session:
        spec = _make(
            SearchSpec, session, search=search, options=options, random=random,
            horizon=horizon, coins=coins, from_date=from_date, to_date=to_date, gaps=gaps,
            gap_limit=gap_limit, window=window, refit=refit, seed=seed, timeout=timeout,
            origins=origins, step=step, splits=splits,
        )  # fmt: skip
        return run_spec(
            spec, session, out=out, overwrite=overwrite, progress=progress, on_done=on_done
        )
