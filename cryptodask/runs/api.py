"""`forecast`, `backtest` and `tune`: runs as a user starts them in Python."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from cryptodask.errors import OptionError
from cryptodask.evaluate.intervals.cohorts import Intervals
from cryptodask.io.paths import AnyPath
from cryptodask.prices import CryptoLoader
from cryptodask.prices.clean.gaps import GapMode
from cryptodask.prices.days import Day
from cryptodask.prices.read.options import DEFAULT_OPTIONS
from cryptodask.prices.sources import Prices
from cryptodask.results import Backtest, Forecasts, SearchResult
from cryptodask.runs.engine import OnDone
from cryptodask.runs.model_spec import Values, name_models
from cryptodask.runs.session import Session, open_session
from cryptodask.runs.spec import (
    CALIBRATE,
    WARMUP,
    BacktestSpec,
    ForecastSpec,
    RunSpec,
    SearchSpec,
)
from cryptodask.runs.start import Models, run_spec

if TYPE_CHECKING:
    from dask.distributed import Client

Source = CryptoLoader | Session | Prices
S = TypeVar("S", bound=RunSpec)


def source_of(loader: CryptoLoader) -> dict[str, Any]:
    """Return what a spec says of its prices."""
    is_default = loader.options == DEFAULT_OPTIONS
    return {
        "source": loader.location if is_default else None,
        "partitions": loader.n_partitions,
    }


def _make(kind: type[S], session: Session, **values: Any) -> S:
    """Return a spec of what a user says in Python, which its fields convert and check.

    Raises
    ------
    OptionError
        An option is wrong, or does nothing without another. Plans and versions that were written
        before that was refused are read all the same.
    """
    spec = kind(**source_of(session.loader), **values)
    for field in attrs.fields(kind):
        needs, value = field.metadata.get("needs"), getattr(spec, field.name)
        if needs and not getattr(spec, needs) and value != field.default:
            raise OptionError(
                f"{field.name} {value}: says how {needs} are made; give {needs}=True as well"
            )
    return spec


def forecast(
    source: Source,
    models: Models = ("naive",),
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
    source : CryptoLoader, path, frame or CryptoManager
        Where the prices are, as of `CryptoLoader`; or a manager, which is used with its cluster.
        A frame is not part of what `cryptodask resume` could repeat: to continue a run of it that
        was stopped, make the same call again with the same rows.
    models : sequence of str or Model
        Names in the catalog, or models made by `create_model` with options.
    horizon, coins, from_date, to_date, gaps, gap_limit, window, refit, seed, timeout
        See `cryptodask.runs.spec.RunSpec`.
    intervals : bool or Intervals
        Whether 80 and 95% intervals are put beside the forecasts. Where no spread is known, or a
        forecast is not above 0, there is NaN, and the coin does not count as ``bounded`` in
        ``tasks``.
    calibrate, warmup : int
        See `cryptodask.runs.spec.ForecastSpec`.
    as_dask, out, overwrite, progress, on_done
        See `run_spec`.
    client : dask.distributed.Client, optional
    workers : int, optional
        Of a local cluster that is started where no client is given.

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
        Of a local cluster that is started where no client is given.

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
        Of a local cluster that is started where no client is given.

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
    name_models(search)
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
