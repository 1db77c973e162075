"""From a backtest to the columns of a leaderboard: no drawing here."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.results import Backtest
from cryptodask.dashboard.overlay import BEFORE, Tracks, build_tracks, how_many
from cryptodask.dashboard.view import count_of
from cryptodask.errors import OptionError, UnknownCoinError
from cryptodask.evaluate import compare, scores
from cryptodask.evaluate.reliability import count_held, reliability
from cryptodask.evaluate.rows import LEVELS
from cryptodask.prices import CryptoLoader
from cryptodask.records import DateArray

VERDICTS = (compare.BETTER, compare.SAME, compare.WORSE)
SCORES = (
    "relative_mae", "mase", "rmsse", "smape", "direction", "coverage_80", "coverage_95",
    "relative_width_80", "relative_width_95", "wql", "msis_80", "msis_95",
)  # fmt: skip
OF_A_COIN = ("relative_mae", "mase", "direction", "coverage_80", "coverage_95")

BY_ERROR, BY_COVERAGE = "relative MAE", "coverage of the 95% interval"
WORST = 20
"""So many coins of each model are listed, the worst first."""

DRAWN = 24
"""So many coins are drawn over actuals, unless they are named."""


@dataclass(frozen=True, slots=True)
class LeaderboardView:
    """All that the page shows.

    Attributes
    ----------
    models : tuple of str
        By rank; a model's position decides its colour.
    summary : str
        How much was backtested.
    notes : tuple of str
        What a reader has to know to read the scores right.
    table : DataFrame
        A row a model, by rank: ``rank`` (by relative MAE, NaN without), ``model``, ``coins``,
        `SCORES`, how many coins have each verdict of `VERDICTS`, and ``verdict`` over all coins.
    steps : DataFrame
        ``model, step, relative_mae``.
    origins : DataFrame
        ``model, cutoff, relative_error, coins``: the mean over coins of the mean absolute error
        as a share of the close at the cutoff, over naive's of the same rows.
    reliability : DataFrame
        See `cryptodask.evaluate.reliability.reliability`; of no rows without intervals.
    periods : tuple of str
        First and last origin of each period of it.
    worst : DataFrame
        ``by, model, place, coin, n``, `OF_A_COIN` and ``verdict``: the worst coins of each model
        by relative MAE, and by coverage where there are intervals.
    tracks : Tracks
        Forecasts over actuals.
    """

    models: tuple[str, ...]
    summary: str
    notes: tuple[str, ...]
    table: pd.DataFrame
    steps: pd.DataFrame
    origins: pd.DataFrame
    reliability: pd.DataFrame
    periods: tuple[str, ...]
    worst: pd.DataFrame
    tracks: Tracks


def build_leaderboard(
    backtest: Backtest,
    *,
    verdicts: pd.DataFrame | None = None,
    pooled: pd.DataFrame | None = None,
    coins: int | Sequence[str] = DRAWN,
    prices: CryptoLoader | None = None,
) -> LeaderboardView:
    """Score a backtest part by part, and turn it into columns.

    Parameters and errors are those of `cryptodask.dashboard.leaderboard.save_leaderboard`.
    """
    if isinstance(coins, int) and coins < 1:
        raise OptionError(f"coins: must be 1 or more, or names of coins, got {coins}")
    thirds = [part for part in np.array_split(np.sort(backtest.origins), 3) if len(part)]
    found = _score(backtest, np.array([third[0] for third in thirds], dtype="datetime64[s]"))
    if verdicts is None:
        verdicts = compare.judge_coins(found.tests)
    if pooled is None:
        pooled = compare.compare_models(found.differences)
    _need(verdicts, "verdicts", ["coin", "model", "verdict"])
    _need(pooled, "pooled", ["model", "verdict"])

    table = _table(scores.scores(found.sums), verdicts, pooled)
    each = scores.scores(found.sums, ["coin", "model"])
    each = each.merge(verdicts[["coin", "model", "verdict"]], how="left", on=["coin", "model"])
    worst = _worst(each, table["model"].tolist())
    return LeaderboardView(
        models=tuple(table["model"]),
        summary=_summary(backtest, each),
        notes=_notes(backtest, table),
        table=table,
        steps=found.steps,
        origins=_by_origin(found.differences),
        reliability=found.reliability,
        periods=tuple(f"{_day(third[0])} to {_day(third[-1])}" for third in thirds),
        worst=worst,
        tracks=_tracks(backtest, each, worst, tuple(table["model"]), coins, prices),
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """What is kept of a backtest: sums by coin and model, and one difference a coin and origin."""

    sums: pd.DataFrame
    steps: pd.DataFrame
    differences: pd.DataFrame
    tests: pd.DataFrame
    reliability: pd.DataFrame


def _score(backtest: Backtest, starts: DateArray) -> _Scored:
    """Score whole coins at a time, and keep of each part what is small."""
    sums, steps, differences, tests, held = [], [], [], [], []
    for part in backtest.coin_parts():
        own = scores.sums(part)
        sums.append(own.groupby(["coin", "model"], as_index=False).sum().assign(step=0))
        steps.append(_by_step(own, backtest.models))
        differences.append(compare.differences(part))
        tests.append(compare.compare_coins(differences[-1]))
        held.append(count_held(part, starts))
    if not any(own["n"].any() for own in sums):
        raise OptionError(
            "the backtest has no forecast with an actual, so there is nothing to show"
        )
    return _Scored(
        pd.concat(sums, ignore_index=True),
        _steps(steps, backtest.models),
        pd.concat(differences, ignore_index=True),
        pd.concat(tests, ignore_index=True),
        reliability(held),
    )


def _need(frame: pd.DataFrame, what: str, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise OptionError(f"{what}: lacks the column {', '.join(missing)}; it has {found}")


def _table(found: pd.DataFrame, verdicts: pd.DataFrame, pooled: pd.DataFrame) -> pd.DataFrame:
    """Rank the models, with their verdicts beside them."""
    table = found[["model", "coins", *SCORES]].copy()
    counts = pd.crosstab(verdicts["model"], verdicts["verdict"])
    counts = counts.reindex(columns=list(VERDICTS), fill_value=0)
    for verdict in VERDICTS:
        table[verdict] = table["model"].map(counts[verdict]).astype("float64")
    overall = dict(zip(pooled["model"], pooled["verdict"], strict=True))
    table["verdict"] = [overall.get(model, "") for model in table["model"]]
    table.insert(0, "rank", table["relative_mae"].rank(method="min"))
    return table.sort_values(["rank", "model"], ignore_index=True)


def _by_step(sums: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the log of the relative MAE of each coin and step; its mean makes a geometric one."""
    each = scores.scores(sums, ["coin", "model", "step"])
    relative = each["relative_mae"].where(each["relative_mae"] > 0)
    codes = pd.Index(models).get_indexer(pd.Index(each["model"])).astype(np.int16)
    steps = each["step"].astype(np.int32)
    return pd.DataFrame({"model": codes, "step": steps, "log": np.log(relative)})


def _steps(found: Sequence[pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    means = pd.concat(found, ignore_index=True).groupby(["model", "step"])["log"].mean()
    steps = means.rename("relative_mae").reset_index()
    names = [models[code] for code in steps["model"]]
    return steps.assign(model=names, relative_mae=np.exp(steps["relative_mae"]))


def _by_origin(differences: pd.DataFrame) -> pd.DataFrame:
    rows = differences.sort_values(["model", "cutoff", "coin"])
    groups = rows.groupby(["model", "cutoff"])[["loss", "naive_loss"]]
    means = groups.mean()
    relative = means["loss"] / means["naive_loss"].where(means["naive_loss"] > 0)
    found = pd.DataFrame({"relative_error": relative, "coins": groups.size()})
    return found.reset_index()


def _worst(each: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """List the worst coins of each model; naive is as good as naive everywhere."""
    orders = [(BY_ERROR, ["relative_mae"], [False]),
              (BY_COVERAGE, ["coverage_95", "coverage_80"], [True, True])]  # fmt: skip
    frames = []
    for by, keys, rising in orders:
        rows = each[each[keys[0]].notna()]
        rows = rows[rows["model"] != "naive"] if by == BY_ERROR else rows
        rows = rows.sort_values([*keys, "coin"], ascending=[*rising, True])
        rows = rows.assign(by=by, place=rows.groupby("model").cumcount() + 1)
        frames.append(rows[rows["place"] <= WORST])
    found = pd.concat(frames, ignore_index=True)
    rank = found["model"].map({model: i for i, model in enumerate(models)})
    found = found.assign(rank=rank).sort_values(
        ["by", "rank", "place"], ascending=[False, True, True]
    )
    found["verdict"] = found["verdict"].fillna("").astype("str")
    return found[["by", "model", "place", "coin", "n", *OF_A_COIN, "verdict"]].reset_index(
        drop=True
    )


def _tracks(
    backtest: Backtest,
    each: pd.DataFrame,
    worst: pd.DataFrame,
    models: tuple[str, ...],
    coins: int | Sequence[str],
    prices: CryptoLoader | None,
) -> Tracks:
    """Read the coins that are drawn again, which are few."""
    most, n_origins = how_many(len(models), len(backtest.origins), backtest.horizon)
    known = each.loc[each["n"] > 0, "coin"].unique()
    if isinstance(coins, int):
        # The worst of every model in turn; then, where they are not enough, any.
        first = worst[worst["by"] == BY_ERROR].sort_values("place", kind="stable")["coin"]
        drawn = list(dict.fromkeys([*first, *known]))[: min(coins, most)]
    else:
        drawn = list(dict.fromkeys(coins))
        unknown = [coin for coin in drawn if coin not in set(known)]
        if unknown:
            raise UnknownCoinError(
                f"coins: the backtest has no forecast with an actual of {unknown[0]!r}; it has "
                f"{count_of(len(known), 'coin')}, such as {', '.join(map(repr, known[:5]))}"
            )
        if len(drawn) > most:
            raise OptionError(
                f"coins: a page holds {count_of(most, 'coin')} of so many models, origins and "
                f"steps, got {len(drawn)}; name fewer"
            )
    table = pd.concat(list(backtest.coin_parts(drawn)), ignore_index=True)
    captions = _captions(each, drawn, models)
    origins: DateArray = np.sort(backtest.origins)[-n_origins:]
    closes = None if prices is None else _closes(prices, table, origins)
    return build_tracks(table, drawn, models, origins, captions, closes)


def _closes(prices: CryptoLoader, table: pd.DataFrame, origins: DateArray) -> pd.DataFrame:
    """Read the closes of the coins of a table, from some horizons before the first origin."""
    ahead = (table["date"] - table["cutoff"]).max()
    coins = sorted(set(table["coin"]) & set(prices.get_crypto_names()))
    if not coins:
        return table.iloc[:0].assign(close=np.nan)
    first = pd.Timestamp(origins[0]) - BEFORE * ahead
    return prices.get_df(coins, from_date=first, to_date=table["date"].max())


def _captions(each: pd.DataFrame, coins: Sequence[str], models: Sequence[str]) -> list[str]:
    rows = each[each["coin"].isin(coins)].to_dict("records")
    told = {(row["coin"], row["model"]): _caption(row) for row in rows}
    return [
        told.get((coin, model), "no forecast of this model") for coin in coins for model in models
    ]


def _caption(row: dict[Hashable, Any]) -> str:
    """Return what is to be said of a model's forecasts of one coin."""
    told = [("relative MAE {:.3f}", row["relative_mae"]), ("MASE {:.2f}", row["mase"])]
    told += [(f"coverage {level}%: {{:.0%}}", row[f"coverage_{level}"]) for level in LEVELS]
    parts = [text.format(value) for text, value in told if np.isfinite(value)]
    if isinstance(row["verdict"], str):
        parts.append(f"against naive: {row['verdict']}")
    return " · ".join(parts)


def _summary(backtest: Backtest, each: pd.DataFrame) -> str:
    origins = backtest.origins
    return " · ".join(
        [
            count_of(each["coin"].nunique(), "coin"),
            count_of(len(backtest.models), "model"),
            f"{count_of(len(origins), 'origin')} from {_day(origins[0])} to {_day(origins[-1])}",
            f"{count_of(backtest.horizon, 'bar')} ahead",
        ]
    )


def _notes(backtest: Backtest, table: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    if table["coins"].nunique() > 1:
        notes.append(
            "Not all models have a forecast of the same coins, and each is scored on its own; "
            "ranks of those with fewer coins may flatter them."
        )
    if len(backtest.failures):
        counts = backtest.failures["model"].value_counts()
        told = ", ".join(f"{n:,} of {model}" for model, n in counts.items())
        notes.append(f"{count_of(len(backtest.failures), 'failure')} of coins and origins: {told}.")
    if table["coverage_80"].isna().all():
        notes.append(
            "This backtest has no intervals, so there is nothing on coverage, width, WQL and MSIS."
        )
    return tuple(notes)


def _day(moment: np.datetime64) -> str:
    text = pd.Timestamp(moment)
    return f"{text:%Y-%m-%d}" if text == text.normalize() else f"{text:%Y-%m-%d %H:%M}"
