"""Price frames to the panels that models take."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cryptodask.prices.freq import DAILY, step_of
from cryptodask.records import Panel

if TYPE_CHECKING:
    pass


def to_panel(prices: pd.DataFrame, freq: str = DAILY, columns: Sequence[str] = ()) -> Panel:
    """Turn rows, by coin and date, into the ragged array of closes that models take.

    Other columns are kept beside the closes where they are asked for.
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
