"""Simulated paths as a file."""

import numpy as np

from cryptodask.io.files import draft_of
from cryptodask.io.paths import AnyPath, storing
from cryptodask.risk.api import Risk


def write_paths(risk: Risk, path: AnyPath) -> AnyPath:
    """Write simulated closes as Parquet, a group of rows a coin.

    Of the coins of the portfolio, or of all if there is none: ``coin, path, date, close``, by coin,
    path and date; closes in the quote currency, paths from 0.

    Parameters
    ----------
    risk : Risk
        With a simulator.
    path : Path or UPath

    Returns
    -------
    Path or UPath

    Raises
    ------
    WriteError
        It can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert risk.simulator is not None
    names = risk.simulator.moves.coins
    held = set(names if risk.weights is None else risk.weights["coin"])
    coins = np.array([i for i, coin in enumerate(names) if coin in held], dtype=np.int64)
    schema = pa.schema(
        [("coin", pa.string()), ("path", pa.int64()), ("date", pa.timestamp("s")),
         ("close", pa.float64())]
    )  # fmt: skip
    with (
        draft_of(path) as draft,
        storing(draft.parent),
        pq.ParquetWriter(draft, schema) as writer,
    ):
        for coin, dates, closes in risk.simulator.closes(coins):
            horizon, n_paths = closes.shape
            columns = [
                pa.repeat(coin, closes.size),
                np.repeat(np.arange(n_paths), horizon),
                np.tile(dates, n_paths),
                closes.T.ravel(),
            ]
            writer.write_table(pa.table(columns, schema=schema))
    return path
