"""The columns of a leaderboard, from a backtest: no drawing here."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cryptodask.dashboard.overlay import BEFORE, Overlay, build_overlay, how_many
from cryptodask.dashboard.result_files import Backtest
from cryptodask.errors import OptionError, UnknownCoinError
from cryptodask.evaluate import compare, scores
from cryptodask.evaluate.coverage import coverage_tests, rejected
from cryptodask.evaluate.reliability import count_held, reliability
from cryptodask.evaluate.rows import LEVELS
from cryptodask.prices import CryptoLoader
from cryptodask.records import DateArray
from cryptodask.text import counted, shown_date

VERDICTS = (compare.BETTER, compare.SAME, compare.WORSE)
SCORES = (
    "relative_mae", "mase", "rmsse", "smape", "direction", "coverage_80", "coverage_95",
    "relative_width_80", "relative_width_95", "scaled_crps", "msis_95",
)  # fmt: skip
OF_A_COIN = ("relative_mae", "mase", "direction", "coverage_80", "coverage_95")

BY_ERROR, BY_COVERAGE = "relative MAE", "coverage of the 95% interval"
WORST = 20
"""Coins of each model that are listed, the worst first."""

DRAWN = 24
"""Coins that are drawn over actuals, unless they are named."""


@dataclass(frozen=True, slots=True)
class LeaderboardView:
    """What the page shows.

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
        `SCORES`, the number of coins with each verdict of `VERDICTS`, and ``verdict`` over all.
    steps : DataFrame
        ``model, step, relative_mae``.
    origins : DataFrame
        ``model, cutoff, relative_error, coins``: the mean over coins of the mean absolute error
        as a share of the close at the cutoff, over naive's of the same rows.
    reliability : DataFrame
        See `cryptodask.evaluate.reliability.reliability`; of no rows without intervals.
    periods : tuple of str
        First and last origin of each period of it.
    coverage : DataFrame
        See `cryptodask.evaluate.coverage.rejected`; of no rows without enough origins.
    worst : DataFrame
        ``by, model, place, coin, n``, `OF_A_COIN` and ``verdict``: the worst coins of each model
        by relative MAE, and by coverage where there are intervals.
    overlay : Overlay
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
    coverage: pd.DataFrame
    worst: pd.DataFrame
    overlay: Overlay


def build_leaderboard(
    backtest: Backtest,
    *,
    verdicts: pd.DataFrame | None = None,
    pooled: pd.DataFrame | None = None,
    coins: int | Sequence[str] = DRAWN,
    prices: CryptoLoader | None = None,
) -> LeaderboardView:
    """Return the columns of a leaderboard; the backtest is scored part by part.

    Parameters
    ----------
    backtest : Backtest
    verdicts, pooled : DataFrame, optional
    coins : int or sequence of str
    prices : CryptoLoader, optional
        All as in `cryptodask.dashboard.leaderboard.save_leaderboard`.

    Raises
    ------
    OptionError
        No forecast has an actual, a column is missing, or more coins are named than a page can
        hold.
    UnknownCoinError
        The backtest has no forecast of a coin that is named.
    """
    if isinstance(coins, int) and coins < 1:
        raise OptionError(f"coins: must be 1 or more, or names of coins, got {coins}")
    thirds = [part for part in np.array_split(np.sort(backtest.origins), 3) if len(part)]
    scored = _score(backtest, np.array([third[0] for third in thirds], dtype="datetime64[s]"))
    if verdicts is None:
        verdicts = compare.judge_coins(scored.tests)
    if pooled is None:
        pooled = compare.compare_models(scored.differences)
    _need(verdicts, "verdicts", ["coin", "model", "verdict"])
    _need(pooled, "pooled", ["model", "verdict"])

    table = _table(scores.scores(scored.sums), verdicts, pooled)
    each = scores.scores(scored.sums, ["coin", "model"])
    each = each.merge(verdicts[["coin", "model", "verdict"]], how="left", on=["coin", "model"])
    worst = _worst(each, table["model"].tolist())
    return LeaderboardView(
        models=tuple(table["model"]),
        summary=_summary(backtest, each),
        notes=_notes(backtest, table),
        table=table,
        steps=scored.steps,
        origins=compare.relative_errors(scored.differences),
        reliability=scored.reliability,
        periods=tuple(_span(third) for third in thirds),
        coverage=scored.coverage,
        worst=worst,
        overlay=_overlay(backtest, each, worst, tuple(table["model"]), coins, prices),
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """What stays of a backtest: sums by coin and model, and a difference a coin and origin."""

    sums: pd.DataFrame
    steps: pd.DataFrame
    differences: pd.DataFrame
    tests: pd.DataFrame
    reliability: pd.DataFrame
    coverage: pd.DataFrame


def _score(backtest: Backtest, starts: DateArray) -> _Scored:
    """Score a backtest by parts of entire coins, and keep the small results of each."""
    sums, steps, differences, tests, held, covered = [], [], [], [], [], []
    for part in backtest.coin_parts():
        of_part = scores.sums(part)
        sums.append(of_part.groupby(["coin", "model"], as_index=False).sum().assign(step=0))
        steps.append(_by_step(of_part, backtest.models))
        differences.append(compare.differences(part))
        tests.append(compare.compare_coins(differences[-1]))
        held.append(count_held(part, starts))
        covered.append(coverage_tests(part))
    if not any(of_part["n"].any() for of_part in sums):
        raise OptionError(
            "the backtest has no forecast with an actual, so there is nothing to show"
        )
    return _Scored(
        pd.concat(sums, ignore_index=True),
        _steps(steps, backtest.models),
        pd.concat(differences, ignore_index=True),
        pd.concat(tests, ignore_index=True),
        reliability(held),
        rejected(pd.concat(covered, ignore_index=True)),
    )


def _need(frame: pd.DataFrame, what: str, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        present = ", ".join(map(str, frame.columns))
        raise OptionError(f"{what}: lacks the column {', '.join(missing)}; it has {present}")


def _table(by_model: pd.DataFrame, verdicts: pd.DataFrame, pooled: pd.DataFrame) -> pd.DataFrame:
    """Rank the models, with their verdicts beside them."""
    table = by_model[["model", "coins", *SCORES]].copy()
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


def _steps(logs: Sequence[pd.DataFrame], models: Sequence[str]) -> pd.DataFrame:
    means = pd.concat(logs, ignore_index=True).groupby(["model", "step"])["log"].mean()
    steps = means.rename("relative_mae").reset_index()
    names = [models[code] for code in steps["model"]]
    return steps.assign(model=names, relative_mae=np.exp(steps["relative_mae"]))


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
    worst = pd.concat(frames, ignore_index=True)
    rank = worst["model"].map({model: i for i, model in enumerate(models)})
    worst = worst.assign(rank=rank).sort_values(
        ["by", "rank", "place"], ascending=[False, True, True]
    )
    worst["verdict"] = worst["verdict"].fillna("").astype("str")
    return worst[["by", "model", "place", "coin", "n", *OF_A_COIN, "verdict"]].reset_index(
        drop=True
    )


def _overlay(
    backtest: Backtest,
    each: pd.DataFrame,
    worst: pd.DataFrame,
    models: tuple[str, ...],
    coins: int | Sequence[str],
    prices: CryptoLoader | None,
) -> Overlay:
    """Read the coins that are drawn again: they are few."""
    most, n_origins = how_many(len(models), len(backtest.origins), backtest.horizon)
    known = each.loc[each["n"] > 0, "coin"].unique()
    if isinstance(coins, int):
        # Alternately the worst of every model; then, where they are not enough, any.
        first = worst[worst["by"] == BY_ERROR].sort_values("place", kind="stable")["coin"]
        drawn = list(dict.fromkeys([*first, *known]))[: min(coins, most)]
    else:
        drawn = list(dict.fromkeys(coins))
        unknown = [coin for coin in drawn if coin not in set(known)]
        if unknown:
            raise UnknownCoinError(
                f"coins: the backtest has no forecast with an actual of {unknown[0]!r}; it has "
                f"{counted(len(known), 'coin')}, such as {', '.join(map(repr, known[:5]))}"
            )
        if len(drawn) > most:
            raise OptionError(
                f"coins: with these models and origins, a page holds {counted(most, 'coin')}, "
                f"got {len(drawn)}; name fewer"
            )
    table = pd.concat(list(backtest.coin_parts(drawn)), ignore_index=True)
    captions = _captions(each, drawn, models)
    origins: DateArray = np.sort(backtest.origins)[-n_origins:]
    closes = None if prices is None else _closes(prices, table, origins)
    return build_overlay(table, drawn, models, origins, captions, closes)


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
    captions = {(row["coin"], row["model"]): _caption(row) for row in rows}
    return [
        captions.get((coin, model), "no forecast of this model")
        for coin in coins
        for model in models
    ]


def _caption(row: dict[Hashable, Any]) -> str:
    """Return the scores of a model's forecasts of a coin, as one line."""
    numbers = [("relative MAE {:.3f}", row["relative_mae"]), ("MASE {:.2f}", row["mase"])]
    numbers += [(f"coverage {level}%: {{:.0%}}", row[f"coverage_{level}"]) for level in LEVELS]
    parts = [text.format(value) for text, value in numbers if np.isfinite(value)]
    if isinstance(row["verdict"], str):
        parts.append(f"against naive: {row['verdict']}")
    return " · ".join(parts)


def _summary(backtest: Backtest, each: pd.DataFrame) -> str:
    origins = backtest.origins
    return " · ".join(
        [
            counted(each["coin"].nunique(), "coin"),
            counted(len(backtest.models), "model"),
            f"{counted(len(origins), 'origin')} from {_span(origins)}",
            f"{counted(backtest.horizon, 'bar')} ahead",
        ]
    )


def _notes(backtest: Backtest, table: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    if table["coins"].nunique() > 1:
        notes.append(
            "Not all models have forecasts of the same coins. Each is scored on the coins it has, "
            "so a model with fewer coins may rank too high."
        )
    if len(backtest.failures):
        counts = backtest.failures["model"].value_counts()
        by_model = ", ".join(f"{n:,} of {model}" for model, n in counts.items())
        notes.append(
            f"{counted(len(backtest.failures), 'failure')} of coins and origins: {by_model}."
        )
    if table["coverage_80"].isna().all():
        notes.append(
            "This backtest has no intervals, so no scores of coverage, width, CRPS and MSIS."
        )
    return tuple(notes)


def _span(origins: DateArray) -> str:
    """Return the first and the last of some origins, which rise."""
    first, last = pd.Timestamp(origins[0]), pd.Timestamp(origins[-1])
    return f"{shown_date(first)} to {shown_date(last)}"
