"""Tables of what has no forecast, and why."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from cryptodask.records import CoinFailure, DateArray

COLUMNS = ("coin", "model", "exception", "message")
DATED_COLUMNS = ("coin", "model", "cutoff", "exception", "message")
"""Of backtests: ``cutoff`` is NaT where a coin failed at all origins."""

NEVER = np.datetime64("NaT", "s")


def failure_table(failures: Iterable[CoinFailure], *, dated: bool = False) -> pd.DataFrame:
    """Return failures as a table, by coin, model and cutoff.

    Parameters
    ----------
    failures : iterable of CoinFailure
    dated : bool
        Whether there is a column ``cutoff``.

    Returns
    -------
    DataFrame
        ``coin, model, exception, message``, and ``cutoff`` before the latter two.
    """
    columns = DATED_COLUMNS if dated else COLUMNS
    rows = [
        [NEVER if name == "cutoff" and f.cutoff is None else getattr(f, name) for name in columns]
        for f in failures
    ]
    frame = pd.DataFrame(rows, columns=list(columns))
    types = dict.fromkeys(columns, "str") | ({"cutoff": "datetime64[s]"} if dated else {})
    order = ["coin", "model", *(["cutoff"] if dated else [])]
    return frame.astype(types).sort_values(order, kind="stable", ignore_index=True)


def failed_throughout(failures: pd.DataFrame, origins: DateArray) -> pd.DataFrame:
    """Return the failures of coins that a model has no forecast of at all, a row a coin and model.

    Parameters
    ----------
    failures : DataFrame
        Of a backtest: a failure without a cutoff is of all origins.
    origins : ndarray of datetime64[s], ``(n_origins,)``
        A coin that failed at each of them is among them, too, with its last failure.
    """
    keys = ["coin", "model"]
    dated = failures[failures["cutoff"].isin(pd.to_datetime(origins))]
    times = dated.groupby(keys)["cutoff"].transform("nunique")
    at_all = failures["cutoff"].isna()
    at_all[times.index[times == len(origins)]] = True
    return failures[at_all].drop_duplicates(keys, keep="last")


def failed_at_some(failures: pd.DataFrame, throughout: pd.DataFrame) -> pd.DataFrame:
    """Return the failures of the other coins and models.

    Parameters
    ----------
    failures, throughout : DataFrame
        What `failed_throughout` takes and returns.
    """
    keys = ["coin", "model"]
    known = pd.MultiIndex.from_frame(throughout[keys])
    return failures[~pd.MultiIndex.from_frame(failures[keys]).isin(known)]


def all_failed(
    coins: Sequence[str], model: str, error: BaseException, cutoff: np.datetime64 | None = None
) -> list[CoinFailure]:
    """Return the failures of all these coins, of one cause."""
    return [CoinFailure.of(coin, model, error, cutoff) for coin in coins]
