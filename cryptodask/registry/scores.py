"""Scores of versions, kept so that two can be compared later on what both forecast.

The score of a version is one file, ``scores/7.json``: the row of scores over all coins, and the
loss of each coin at each origin. A loss is the mean over the horizon of the absolute error as a
share of the close at the cutoff, as in `cryptodask.evaluate.compare`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import InputError, VersionError
from cryptodask.evaluate.compare import compare_models
from cryptodask.evaluate.rows import ROUNDING
from cryptodask.io.files import read_json
from cryptodask.io.paths import AnyPath
from cryptodask.io.sealed import unseal, write_sealed
from cryptodask.io.structure import structured
from cryptodask.records import FloatArray

FORMAT, VERSION = "cryptodask-score", 1

KEPT = ("relative_mae", "mase", "smape", "direction", "coverage_80", "coverage_95")
"""Scores over all coins that are kept."""


@attrs.frozen(kw_only=True)
class Score:
    """What a version's model was worth in a backtest.

    Attributes
    ----------
    format : str
    version : int
        Of this format.
    key : str
        Of the manifest of the version, so that the score of another is not taken for its.
    model : str
    horizon : int
        Bars ahead.
    freq : str
        How long bars last.
    prices : str
        What changes when the prices do.
    scored : str
        When, in UTC.
    by : str
        Who.
    scores : dict of str to float or None
        See `KEPT`; None where nothing counts.
    origins, ends : list of str
        Rising; and the last date forecast at each.
    coins : list of str
        Those with a forecast.
    losses : list of list of float or None
        ``(n_coins, n_origins)``, as a share of the close; None where a forecast is missing.
    """

    format: str = FORMAT
    version: int = VERSION
    key: str
    model: str
    horizon: int
    freq: str
    prices: str
    scored: str
    by: str
    scores: dict[str, float | None]
    origins: list[str]
    ends: list[str]
    coins: list[str]
    losses: list[list[float | None]]

    @property
    def matrix(self) -> FloatArray:
        """The losses, ``(n_coins, n_origins)``, NaN where there is none."""
        shape = (len(self.coins), len(self.origins))
        return np.array(self.losses, dtype=np.float64).reshape(shape)

    def mean_losses(self) -> list[float | None]:
        """Return the mean over coins at each origin; None where no coin has a forecast."""
        columns = [column[~np.isnan(column)] for column in self.matrix.T]
        return [float(column.mean()) if len(column) else None for column in columns]

    def summary(self) -> dict[str, Any]:
        """Return the score without losses of coins, as JSON can hold it."""
        content: dict[str, Any] = {
            key: getattr(self, key) for key in ("horizon", "prices", "scored", "by")
        }
        content |= {"coins": len(self.coins), "origins": self.origins}
        return content | self.scores | {"losses": self.mean_losses()}


@attrs.frozen(kw_only=True)
class LossTest:
    """How the losses of two versions differ, by the test of Diebold and Mariano.

    Attributes
    ----------
    origins, coins : int
        That both have, and that count.
    difference : float
        Mean of loss less that of the other, in units of a coin's spread; below 0 is better.
    p_worse, p_better : float
        One-sided: the chance of a difference as large as this, up or down, if there is none. NaN
        where there are too few origins.
    """

    origins: int
    coins: int
    difference: float = math.nan
    p_worse: float = math.nan
    p_better: float = math.nan


def make_score(
    differences: pd.DataFrame, row: Mapping[str, float], facts: Mapping[str, Any]
) -> Score:
    """Return the score of a version.

    Parameters
    ----------
    differences : DataFrame
        Of one model; see `cryptodask.evaluate.compare.differences`.
    row : mapping of str to float
        Its scores over all coins.
    facts : mapping of str to Any
        The other fields.
    """
    losses = differences.pivot(index="coin", columns="cutoff", values="loss").sort_index()
    ends = differences.groupby("cutoff")["end"].max()
    return Score(
        **facts,
        scores={name: _number(row.get(name, math.nan)) for name in KEPT},
        origins=_days(losses.columns),
        ends=_days(ends.loc[losses.columns]),
        coins=[str(coin) for coin in losses.index],
        losses=[[_number(value) for value in values] for values in losses.to_numpy(np.float64)],
    )


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _days(dates: Any) -> list[str]:
    return [str(date) for date in np.asarray(dates).astype("datetime64[s]")]


def write_score(score: Score, path: AnyPath) -> None:
    """Write a score, which replaces an earlier one in one step."""
    write_sealed(attrs.asdict(score), path)


def read_score(path: AnyPath, key: str) -> Score | None:
    """Read the score of a version; None where it has none.

    Parameters
    ----------
    path : Path or UPath
    key : str
        Of the manifest of the version.

    Raises
    ------
    VersionError
        The file is damaged, was changed, or is of another version; the message names the key.
    """
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except InputError as error:
        raise VersionError(f"{error} (`cryptodask registry score`)") from error
    again = "score the version again by `cryptodask registry score`"
    damage = unseal(content)
    if isinstance(content, dict) and content.get("version", VERSION) != VERSION:
        raise VersionError(
            f"{path}: version: {content['version']!r}, and this CryptoDask reads {VERSION}; {again}"
        )
    try:
        score = structured(Score, content, str(path))
        fault = _fault(score)
    except InputError as error:
        raise VersionError(f"{error}; {again}") from error
    if damage or fault:
        raise VersionError(f"{path}: {damage or fault}; {again}")
    if score.key != key:
        raise VersionError(f"{path}: key: is the score of another training; {again}")
    return score


def _fault(score: Score) -> str | None:
    """Return what of a score does not fit together."""
    if score.format != FORMAT:
        return f"format: is not a score, but {score.format[:60]!r}"
    try:
        for name in ("origins", "ends"):
            np.array(getattr(score, name), dtype="datetime64[s]")
        score.matrix  # noqa: B018 - whether there is a loss for each coin and origin
    except ValueError as error:
        return str(error)
    return None if len(score.ends) == len(score.origins) else "ends: one is missing"


def compare_scores(score: Score, other: Score) -> LossTest:
    """Test whether a version is worse than another on the coins and origins of both.

    Parameters
    ----------
    score, other : Score
        Of the same horizon and length of bars.

    Returns
    -------
    LossTest

    Raises
    ------
    VersionError
        They are of another horizon, or of bars of another length.
    """
    for field in ("horizon", "freq"):
        here, there = getattr(score, field), getattr(other, field)
        if here != there:
            raise VersionError(f"{field}: {here} and {there}: their errors can't be compared")
    rows = _common(score, other)
    if rows.empty:
        return LossTest(origins=0, coins=0)
    counts = {"origins": rows["cutoff"].nunique(), "coins": rows["coin"].nunique()}
    tests = compare_models(rows)
    if tests.empty:
        return LossTest(**counts)
    test = tests.iloc[0]
    counts = {"origins": int(test["origins"]), "coins": int(test["coins"])}
    difference, p_value = float(test["difference"]), float(test["p_value"])
    if math.isnan(p_value):
        return LossTest(**counts, difference=difference)
    tail = p_value / 2
    worse, better = (tail, 1 - tail) if difference > 0 else (1 - tail, tail)
    return LossTest(**counts, difference=difference, p_worse=worse, p_better=better)


def _common(score: Score, other: Score) -> pd.DataFrame:
    """Return what coins and origins of both differ by, as `compare_models` takes it."""
    origins, here, there = _shared(score.origins, other.origins)
    coins, rows, columns = _shared(score.coins, other.coins)
    difference = score.matrix[np.ix_(rows, here)] - other.matrix[np.ix_(columns, there)]
    difference[np.abs(difference) <= ROUNDING] = 0.0
    table = pd.DataFrame(
        {
            "coin": np.repeat(np.array(coins, dtype=object), len(origins)),
            "model": "version",
            "cutoff": np.tile(np.array(origins, dtype="datetime64[s]"), len(coins)),
            "end": np.tile(np.array(score.ends, dtype="datetime64[s]")[here], len(coins)),
            "difference": difference.ravel(),
        }
    )
    return table.dropna(subset="difference")


def _shared(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[int], list[int]]:
    """Return what is in both, and its places in each."""
    places = {name: i for i, name in enumerate(second)}
    both = [(name, i, places[name]) for i, name in enumerate(first) if name in places]
    names, here, there = ([item[part] for item in both] for part in range(3))
    return names, here, there  # type: ignore[return-value]
