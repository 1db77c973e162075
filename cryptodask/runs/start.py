"""How runs are started: by a spec, or by what a user says in Python."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from cryptodask.errors import OptionError
from cryptodask.io.paths import AnyPath
from cryptodask.io.stores import store_of
from cryptodask.results import Backtest, Forecasts, SearchResult
from cryptodask.results.version import Version
from cryptodask.runs.engine import OnDone, run_kind
from cryptodask.runs.kind import Kind
from cryptodask.runs.kinds.backtest import BacktestKind
from cryptodask.runs.kinds.forecast import ForecastKind
from cryptodask.runs.kinds.predict import PredictKind
from cryptodask.runs.kinds.search import SearchKind
from cryptodask.runs.kinds.train import TrainKind
from cryptodask.runs.model_spec import given_models
from cryptodask.runs.session import Session
from cryptodask.runs.spec import (
    BacktestSpec,
    ForecastSpec,
    RunSpec,
    SearchSpec,
)
from cryptodask.runs.version_spec import PredictSpec, TrainSpec

KINDS: Mapping[type[RunSpec], type[Kind[Any, Any]]] = {
    ForecastSpec: ForecastKind,
    BacktestSpec: BacktestKind,
    SearchSpec: SearchKind,
    TrainSpec: TrainKind,
    PredictSpec: PredictKind,
}

Models = Sequence[Any]
"""Names of models, models, and all else that `cryptodask.models.create_model` makes one of."""


@overload
def run_spec(spec: TrainSpec, session: Session, **how: Any) -> Version: ...
@overload
def run_spec(spec: ForecastSpec | PredictSpec, session: Session, **how: Any) -> Forecasts: ...
@overload
def run_spec(spec: BacktestSpec, session: Session, **how: Any) -> Backtest: ...
@overload
def run_spec(spec: SearchSpec, session: Session, **how: Any) -> SearchResult: ...
@overload
def run_spec(
    spec: RunSpec, session: Session, **how: Any
) -> Forecasts | Backtest | SearchResult | Version: ...
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
) -> Forecasts | Backtest | SearchResult | Version:
    """Run what a spec says.

    The same prices and spec give the same result, bit for bit, whatever the number of workers,
    the partitioning, or the order in which jobs end.

    Parameters
    ----------
    spec : RunSpec
    session : Session
        Prices and client.
    models : sequence of str, Model or other
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
    Forecasts, Backtest, SearchResult or Version
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
    place = None if out is None else store_of(out)
    if isinstance(spec, TrainSpec) and place is None:
        raise OptionError("out: what is trained is written to a folder; name one")
    if as_dask and (place is not None or not isinstance(spec, ForecastSpec)):
        raise OptionError("as_dask: forecasts are either left on the workers or written, not both")
    given = {model.name: model for model in given_models(models)}
    named = getattr(spec, "models", ())
    created = [given.get(model.name) or model.create() for model in named]
    for model in created:
        model.min_length(spec.horizon)  # refuses one for which it is not made, before the work
    kind = KINDS[type(spec)](spec, session, created)
    result: Forecasts | Backtest | SearchResult | Version = run_kind(
        kind, out=place, overwrite=overwrite, as_dask=as_dask, progress=progress, on_done=on_done
    )
    if isinstance(result, Forecasts | Backtest):
        return replace(result, prices=session.loader)
    return result
