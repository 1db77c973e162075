"""Where a run's calls are done: small work of models of ours in this process, all else by workers.

To start and end a cluster takes about three seconds, in which one process reads and fits many
coins. What is done is the same either way, bit for bit. A process can't outlive code that crashes
it, though, so that models that run code of others go to workers, as does what has a time limit, and
the rest of a run that was stopped, since its own code may have been why.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from cryptodask.models import Model, create_model
from cryptodask.prices.frames.dask_source import DaskFrameSource
from cryptodask.runs.workload import seconds_per_row

if TYPE_CHECKING:
    from cryptodask.runs.session import Session

WORTH = 4.0
"""Estimated seconds of work on one core, above which a cluster is started for it."""

FOREIGN = ("cryptodask.models.external.", "cryptodask.models.lstm.")
"""Modules whose models run code of other libraries that may crash or hang: prophet, Keras."""


class Planned(Protocol):
    """What a kind of run says of its work; see `cryptodask.runs.kind.Kind`."""

    spec: Any
    session: "Session"
    models: list[Model]
    coins: list[str]

    @property
    def runs(self) -> Sequence[Model]:
        """The models whose code is run."""

    def passes(self, model: Model) -> float:
        """Return how often a model goes over the rows that are read."""


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


def may_run_here(kind: Planned) -> bool:
    """Return whether this process may do what workers do of a run, if it is little.

    Parameters
    ----------
    kind : Planned
    """
    if kind.spec.timeout is not None or isinstance(kind.session.loader.source, DaskFrameSource):
        return False
    return all(runs_own_code(model) for model in kind.runs)


def place_reading(kind: Planned) -> None:
    """Decide what reads coins before a run begins, as to choose origins by their dates.

    Parameters
    ----------
    kind : Planned
        Whose coins are known.
    """
    source = kind.session.loader.source
    seconds = float(source.rows_of(kind.coins).sum()) * source.seconds_a_row
    kind.session.place(here=seconds < WORTH and may_run_here(kind))


def place_run(kind: Planned, *, is_new: bool) -> None:
    """Decide what does the calls of a run: this process, if it may and a cluster is not worth it.

    Parameters
    ----------
    kind : Planned
    is_new : bool
        Whether it may be done here: it is not the rest of a run that was stopped, and its rows
        need not stay on workers.
    """
    source = kind.session.loader.source
    rows = float(source.rows_of(kind.coins).sum())
    seconds = rows * sum(seconds_per_row(source, model, kind.passes) for model in kind.models)
    kind.session.place(here=is_new and seconds < WORTH and may_run_here(kind))
