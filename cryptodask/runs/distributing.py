"""Regressors over all coins whose rows stay on several workers, if that was asked for.

XGBoost trains by its own Dask interface: workers add up histograms of their rows, so that its trees
differ with what lies where. Regressors that have ``partial_fit`` see one block of rows after the
other, by dask-ml's ``Incremental``. Which rows a block has is drawn by seed, coin and date, so that
these are the same, bit for bit, wherever the rows lie.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptodask.cluster.uploading import submit_sealed
from cryptodask.errors import ClusterError, MissingExtraError
from cryptodask.models.pooled.declared_learner import FEWEST
from cryptodask.models.pooled.fits import Fit
from cryptodask.models.pooled.gathered import GatheredModel
from cryptodask.models.pooled.learner import PooledLearner
from cryptodask.models.pooled.sklearn_fits import SklearnFits
from cryptodask.models.pooled.xgboost_fits import parameters, to_bytes
from cryptodask.models.renamed import RenamedGathered
from cryptodask.worker.gather import block_of, join_parts, limits, rows_of_step, shape_of

if TYPE_CHECKING:
    from dask.distributed import Client, Future


def fit_distributed(
    client: "Client", model: GatheredModel, state: Any, rows: Sequence["Future"], seed: int
) -> list[Fit | None]:
    """Return what is fitted for each part of a model, of rows that stay where they are.

    Parameters
    ----------
    client : Client
    model : GatheredModel
        A `PooledLearner`, or one under another name.
    state : Any
        The model's, before its last step.
    rows : sequence of Future
        Of each task its `cryptodask.models.pooled.gathered.Rows`.
    seed : int

    Raises
    ------
    MissingExtraError
        dask-ml is not installed.
    ClusterError
        XGBoost would send rows' sums without encryption in a cluster that encrypts.
    """
    learner = model.model if isinstance(model, RenamedGathered) else model
    assert isinstance(learner, PooledLearner)
    library = learner.library
    incremental = isinstance(library, SklearnFits)

    def on_workers(function: Callable[..., Any], *args: Any) -> "Future":
        return submit_sealed(client, function, args, pure=False)

    if incremental:
        pieces = learner.blocks(state)
        blocks = [
            on_workers(
                join_parts, learner, [on_workers(block_of, part, i, pieces) for part in rows]
            )
            for i in range(pieces)
        ]
    else:
        _check_open(client, learner.name)
        blocks = [on_workers(join_parts, learner, [part]) for part in rows]
    fits: list[Fit | None] = []
    for part in range(learner.fits):
        held = [on_workers(rows_of_step, block, part) for block in blocks]
        shapes = client.gather([on_workers(shape_of, piece) for piece in held])
        held = [piece for piece, shape in zip(held, shapes, strict=True) if shape[0]]
        shapes = [shape for shape in shapes if shape[0]]
        if sum(shape[0] for shape in shapes) < FEWEST:
            fits.append(None)
            continue
        fit = _by_incremental if incremental else _by_xgboost
        fits.append(fit(client, library, held, shapes, seed))
    return fits


def _arrays(held: Sequence["Future"], shapes: Sequence[Any]) -> tuple[Any, Any]:
    """Return features and targets as Dask arrays, a block each future."""
    import dask.array as da
    from dask import delayed

    pairs = [delayed(piece) for piece in held]
    x = [
        da.from_delayed(pair[0], shape, np.float32)
        for pair, shape in zip(pairs, shapes, strict=True)
    ]
    y = [
        da.from_delayed(pair[1], shape[:1], np.float32)
        for pair, shape in zip(pairs, shapes, strict=True)
    ]
    return da.concatenate(x), da.concatenate(y)


def _by_xgboost(
    client: "Client", library: Any, held: Sequence["Future"], shapes: Sequence[Any], seed: int
) -> Fit:
    """Fit one step by XGBoost's Dask interface."""
    library.module()
    from xgboost import dask as xgboost_dask

    given, rounds = parameters(library.params, seed)
    x, y = _arrays(held, shapes)
    table = xgboost_dask.DaskQuantileDMatrix(client, x, y, max_bin=given["max_bin"])
    trained = xgboost_dask.train(client, given, table, num_boost_round=rounds)
    return _bounded(client, held, Fit(to_bytes(trained["booster"]), 0.0, 0.0, 0))


def _by_incremental(
    client: "Client", library: Any, held: Sequence["Future"], shapes: Sequence[Any], seed: int
) -> Fit:
    """Fit one step block by block."""
    try:
        from dask_ml.wrappers import Incremental
    except ImportError as error:
        raise MissingExtraError(
            f"{library.name} distributed needs dask-ml: pip install 'cryptodask[ml]'"
        ) from error
    x, y = _arrays(held, shapes)
    with client.as_current():
        wrapped = Incremental(library.make(seed), shuffle_blocks=False, assume_equal_chunks=True)
        wrapped.fit(x.astype(np.float64), y.astype(np.float64))
    some_x, some_y = (values.astype(np.float64) for values in held[0].result())
    return _bounded(client, held, library.kept(wrapped.estimator_, some_x, some_y, seed))


def _bounded(client: "Client", held: Sequence["Future"], fit: Fit) -> Fit:
    """Return a fit with the least and greatest target, and the number of rows, of all blocks."""
    lows, highs, rows = zip(
        *client.gather([submit_sealed(client, limits, [piece], pure=False) for piece in held]),
        strict=True,
    )
    return Fit(fit.kept, min(lows), max(highs), sum(rows), fit.regressor, fit.why)


def _check_open(client: "Client", model: str) -> None:
    """Refuse XGBoost's own connections where all others are encrypted."""
    address = client.scheduler.address
    if not address.startswith(("tcp://", "inproc://")):
        raise ClusterError(
            f"{model} distributed: XGBoost's workers speak with each other without encryption and "
            f"without certificates, and {address} is a cluster that has both; leave it out, and "
            "the rows of a sample meet on one worker by Dask's own connections"
        )
