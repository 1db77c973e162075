"""What is usual: limits that are learned from a backtest once, and kept in a sealed file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import InputError
from cryptodask.io.files import read_json
from cryptodask.io.paths import AnyPath
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.io.structure import structured
from cryptodask.pipeline.monitor.daily import NEEDED, bin_edges, daily_numbers, usable_rows
from cryptodask.pipeline.monitor.limits import REPLICATES, WINDOW, Drift, Stability, find_limits
from cryptodask.text import counted, shown_date, shown_names

if TYPE_CHECKING:
    from cryptodask.results import Backtest

DAY = 86_400
"""Seconds of a bar."""

LEAST_DAYS = 2 * WINDOW
"""Days that a reference needs; a year or two are better."""

HOW = "`cryptodask backtest SOURCE --model MODEL --origins 400 --step 1 --out FOLDER` makes one"


@attrs.frozen(kw_only=True)
class Reference:
    """What the forecasts of a model were worth, day by day, and limits of what may come.

    Attributes
    ----------
    model : str
    step : int
        Bars ahead.
    coins : float
        Median number of coins a day.
    days : int
    first, last : str
        First and last day.
    drifts : dict of str to Drift
    features : dict of str to Stability
    block : float
        Mean length of blocks that suits the days, in days.
    most_failed : float
        Share of coins that may lack a forecast on a day, 0 to 1.
    oldest : float
        Age in days that a version may have.
    """

    model: str
    step: int
    coins: float
    days: int
    first: str
    last: str
    drifts: dict[str, Drift]
    features: dict[str, Stability]
    block: float
    most_failed: float
    oldest: float

    @property
    def edges(self) -> dict[str, list[float]]:
        """Inner edges of the bins of each feature."""
        return {name: feature.edges for name, feature in self.features.items()}


def learn_reference(
    backtest: "Backtest",
    model: str | None = None,
    step: int = 1,
    *,
    most_failed: float = 0.1,
    oldest: float = 90.0,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Reference:
    """Return what is usual of a model, and limits, from a backtest with intervals.

    Parameters
    ----------
    backtest : Backtest
        With origins that are a bar apart.
    model : str, optional
        By default the one beside naive.
    step : int
        Bars ahead.
    most_failed : float
        Share of coins that may lack a forecast, 0 to 1.
    oldest : float
        Age in days that a version may have.
    seed : int
    replicates : int
        See `cryptodask.pipeline.monitor.limits.find_limits`.

    Raises
    ------
    InputError
        The backtest has no such model or step, no intervals, too few days, or they lie apart.
    """
    chosen = _model_of(backtest.models, model)
    if not 1 <= step <= backtest.horizon:
        raise InputError(f"step {step}: the backtest has steps 1 to {backtest.horizon}")
    kept = []
    for part in backtest.parts():
        rows = part[(part["model"] == chosen) & (part["step"] == step)]
        kept.append(rows[[*NEEDED, "cutoff"]])
    table = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=[*NEEDED])
    rows = usable_rows(table)
    dates = np.unique(rows["date"].to_numpy().astype("datetime64[s]"))
    if len(dates) < LEAST_DAYS:
        raise InputError(
            f"backtest: has {counted(len(dates), 'day')} of {chosen} with intervals and closes, "
            f"and a reference needs {LEAST_DAYS}; {HOW}"
        )
    check_daily(table, step, "backtest")
    if np.median(np.diff(dates).astype(np.int64)) > DAY:
        raise InputError(f"backtest: its origins must be one bar apart; {HOW}")
    edges = bin_edges(rows)
    days = daily_numbers(rows, edges)
    limits = find_limits(days, edges, seed, replicates=replicates)
    return Reference(
        model=chosen,
        step=step,
        coins=float(np.median(days.coins)),
        days=len(days),
        first=shown_date(pd.Timestamp(dates[0])),
        last=shown_date(pd.Timestamp(dates[-1])),
        drifts=limits.drifts,
        features=limits.features,
        block=limits.block,
        most_failed=float(most_failed),
        oldest=float(oldest),
    )


def _model_of(models: Sequence[str], model: str | None) -> str:
    if model is not None:
        if model not in models:
            raise InputError(f"model {model}: the backtest has {shown_names(list(models))}")
        return model
    others = [name for name in models if name != "naive"] or list(models)
    if len(others) > 1:
        raise InputError(f"model: is missing, and the backtest has {shown_names(others)}")
    return others[0]


def check_daily(rows: pd.DataFrame, step: int, what: str) -> None:
    """See that bars are days: a day has one number, and limits are those of days.

    Parameters
    ----------
    rows : DataFrame
        ``cutoff, date`` of forecasts.
    step : int
        Bars from one to the other.
    what : str
        Where they are, for the message.

    Raises
    ------
    InputError
        They are shorter.
    """
    ahead = (rows["date"] - rows["cutoff"]).dropna().dt.total_seconds()
    if ahead.empty:
        return
    bar = round(float(ahead.median()) / step)
    if bar != DAY:
        raise InputError(
            f"{what}: its bars last {bar / 3600:g} hours, and the monitor watches daily forecasts "
            "alone; name daily prices"
        )


def write_reference(reference: Reference, path: AnyPath) -> None:
    """Write a reference as sealed JSON, complete or not at all.

    Parameters
    ----------
    reference : Reference
    path : Path or UPath
    """
    write_sealed(attrs.asdict(reference), path)


def read_reference(path: AnyPath) -> Reference:
    """Read a reference.

    Parameters
    ----------
    path : Path or UPath

    Raises
    ------
    InputError
        It is missing, damaged, or something else; the message names the key.
    """
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; `cryptodask monitor learn` makes it") from error
    problem = unseal(content)
    if problem is not None:
        raise InputError(f"{path}: {problem}; make it again by `cryptodask monitor learn`")
    return structured(Reference, content, str(path))
