"""Where a run's calls are done: small work of models of ours in this process, all else by workers.

To start and end a cluster takes about three seconds, in which one process reads and fits many
coins. What is done is the same either way, bit for bit. A process can't outlive code that crashes
it, though, so that models that run code of others go to workers, as does what has a time limit, and
the rest of a run that was stopped, since its own code may have been why.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cryptodask.models import Model, create_model
from cryptodask.prices.frames.dask_source import DaskFrameSource

if TYPE_CHECKING:
    from cryptodask.runs.session import Session

WORTH = 4.0
"""Estimated seconds of work on one core, above which a cluster is started for it."""

FOREIGN = tuple(
    f"cryptodask.models.{part}"
    for part in ("external", "function", "keras", "lstm", "pooled.learner")
)
"""Modules whose models run code of other libraries that may crash or hang: prophet, Keras, XGBoost.

Pooled learners also send futures within lists, and may fit on several workers."""


def runs_own_code(model: Model) -> bool:
    """Return whether a model, and all that it is made of, is of this package and its kernels.

    Parameters
    ----------
    model : Model
    """
    module = type(model).__module__
    parts = [value for value in vars(model).values() if isinstance(value, Model)]
    parts += [create_model(name) for name in getattr(model, "members", ())]
    is_own = module.startswith("cryptodask.") and not module.startswith(FOREIGN)
    return is_own and all(runs_own_code(part) for part in parts)


def place_reading(
    session: "Session", coins: Sequence[str], models: Iterable[Model], timeout: float | None
) -> None:
    """Decide what reads coins before a run begins, as to choose origins by their dates.

    Parameters
    ----------
    session : Session
    coins : sequence of str
    models : iterable of Model
        All that the run fits.
    timeout : float or None
        Seconds that a job may take.
    """
    source = session.loader.source
    seconds = float(source.rows_of(coins).sum()) * source.seconds_a_row
    session.place(here=seconds < WORTH and _may_run_here(session, models, timeout))


def place_run(
    session: "Session",
    coins: Sequence[str],
    seconds_a_row: Iterable[float],
    models: Iterable[Model],
    timeout: float | None,
) -> None:
    """Decide what does the calls of a run: this process, if it may and a cluster is not worth it.

    Parameters
    ----------
    session : Session
    coins : sequence of str
    seconds_a_row : iterable of float
        That each model takes; see `cryptodask.runs.workload.seconds_per_row`.
    models : iterable of Model
        All that the run fits.
    timeout : float or None
        Seconds that a job may take.
    """
    seconds = float(session.loader.source.rows_of(coins).sum()) * sum(seconds_a_row)
    session.place(here=seconds < WORTH and _may_run_here(session, models, timeout))


def _may_run_here(session: "Session", models: Iterable[Model], timeout: float | None) -> bool:
    """Return whether this process may do what workers do of a run, if it is little."""
    if timeout is not None or isinstance(session.loader.source, DaskFrameSource):
        return False
    return all(runs_own_code(model) for model in models)
