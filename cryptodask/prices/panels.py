"""Price frames to the panels that models take."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cryptodask.prices.freq import DAILY, step_of
from cryptodask.records import Panel


def to_panel(prices: pd.DataFrame, freq: str = DAILY, columns: Sequence[str] = ()) -> Panel:
    """Return price rows as a panel, the ragged array that models take.

    Parameters
    ----------
    prices : DataFrame, ``(n_rows,)``
        By coin and date.
    freq : str
        How long a bar lasts.
    columns : sequence of str
        Columns to keep beside the closes, in ``extra``.

    Returns
    -------
    Panel
        Of ``n_rows`` rows.
    """
    coin = prices["coin"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], coin[1:] != coin[:-1]]))[: len(coin)]
    return Panel(
        coins=tuple(coin[starts]),
        values=prices["close"].to_numpy(dtype=np.float64),
        dates=prices["date"].to_numpy().astype("datetime64[s]"),
        indptr=np.append(starts, len(coin)).astype(np.int64),
        step=step_of(freq),
        extra={name: prices[name].to_numpy(dtype=np.float64) for name in columns},
    )
