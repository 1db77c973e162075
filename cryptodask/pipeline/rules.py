"""Rules: what a forecast leads to. Pure functions of what is known of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs
import numpy as np
import pandas as pd

from cryptodask.prices.clean.findings import FINDING_KINDS
from cryptodask.runs.fields import one_of, optional, whole_number
from cryptodask.trading.rules import rising_probability

Action = Literal["store", "request", "alert", "skip"]


def check_share(_: Any, field: "attrs.Attribute[Any]", value: float | None) -> None:
    """Check that a field, if it has a value, is a share.

    Raises
    ------
    ValueError
        It is not between 0 and 1.
    """
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"{field.name}: must be between 0 and 1, got {value:g}")


def check_finite(_: Any, field: "attrs.Attribute[Any]", value: float | None) -> None:
    """Check that a field, if it has a value, is a finite number.

    Raises
    ------
    ValueError
        It is not.
    """
    if value is not None and not np.isfinite(value):
        raise ValueError(f"{field.name}: must be a finite number, got {value}")


def check_kinds(_: Any, field: "attrs.Attribute[Any]", value: list[str]) -> None:
    """Check that a field has kinds of findings.

    Raises
    ------
    ValueError
        One is unknown.
    """
    for kind in value:
        if kind not in FINDING_KINDS:
            raise ValueError(
                f"{field.name}: {kind!r} is not a kind of finding; `cryptodask prices policies` "
                "lists them"
            )


@attrs.frozen(kw_only=True)
class Rule:
    """A rule; it holds for a forecast that meets all the conditions it gives.

    Attributes
    ----------
    name : str
    action : str
        ``store`` the forecast; ``request`` a trade, and store it; ``alert``, and store it; or
        ``skip`` it, so that it is not stored.
    side : str
        Of a request: ``buy`` or ``sell``.
    weight : float
        Of a request: share of the equity that the position should be. What sells may have 0, to
        sell all of it.
    model : str or None
        Only forecasts of this model, as the forecast table names it.
    step : int or None
        Bars ahead at which the forecast is looked at; by default the horizon.
    min_return, max_return : float or None
        Bounds of forecast / last close - 1.
    min_probability, max_probability : float or None
        Bounds of the probability that the close is above the last one, from the 80% interval.
    max_width : float or None
        Most of (upper - lower bound of the 80% interval) / last close.
    min_agreement : float or None
        Least share of the coin's models whose returns have the same sign.
    min_age : int or None
        Least number of bars that the prices are old.
    findings : list of str
        Kinds of findings; the coin has one of them in its latest days.
    """

    name: str
    action: Action = attrs.field(validator=one_of("store", "request", "alert", "skip"))
    side: str = attrs.field(default="buy", validator=one_of("buy", "sell"))
    weight: float = attrs.field(default=0.0, validator=check_share)
    model: str | None = None
    step: int | None = attrs.field(default=None, validator=optional(whole_number(1)))
    min_return: float | None = attrs.field(default=None, validator=check_finite)
    max_return: float | None = attrs.field(default=None, validator=check_finite)
    min_probability: float | None = attrs.field(default=None, validator=check_share)
    max_probability: float | None = attrs.field(default=None, validator=check_share)
    max_width: float | None = attrs.field(default=None, validator=check_finite)
    min_agreement: float | None = attrs.field(default=None, validator=check_share)
    min_age: int | None = None
    findings: list[str] = attrs.field(factory=list, validator=check_kinds)

    def __attrs_post_init__(self) -> None:
        for what in ("return", "probability"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if least is not None and most is not None and least > most:
                raise ValueError(f"min_{what}: {least:g} is above max_{what}, {most:g}")
        if self.action == "request" and self.side == "buy" and not self.weight:
            raise ValueError("weight: what buys needs one above 0, the share of the equity")

    def holds(self, seen: Mapping[str, Any]) -> bool:
        """Return whether it holds for a forecast.

        Parameters
        ----------
        seen : mapping of str to Any
            A row of `see`. What is NaN meets no condition.
        """
        bounds = (
            (self.min_return, seen["return"], 1),
            (self.max_return, seen["return"], -1),
            (self.min_probability, seen["probability"], 1),
            (self.max_probability, seen["probability"], -1),
            (self.max_width, seen["width"], -1),
            (self.min_agreement, seen["agreement"], 1),
            (self.min_age, seen["age"], 1),
        )
        if self.model is not None and seen["model"] != self.model:
            return False
        if self.findings and not set(self.findings) & set(seen["findings"]):
            return False
        # A comparison with NaN is false, and so is the condition.
        return all(
            sign * value >= sign * bound for bound, value, sign in bounds if bound is not None
        )


def see(
    forecasts: pd.DataFrame,
    last: Mapping[str, float],
    ages: Mapping[str, int],
    findings: Mapping[str, Sequence[str]],
    step: int,
) -> pd.DataFrame:
    """Return what rules look at, a row for each coin and model.

    Parameters
    ----------
    forecasts : DataFrame
        A forecast table, with or without intervals.
    last : mapping of str to float
        Each coin's last close.
    ages : mapping of str to int
        Bars that each coin's prices are old.
    findings : mapping of str to sequence of str
        Kinds of what was found in each coin's latest days.
    step : int
        Bars ahead.

    Returns
    -------
    DataFrame
        ``coin, model, cutoff, step, last, forecast, return, probability, width, agreement, age,
        findings``. The probability is that of a normal distribution of log prices whose median is
        the forecast and whose 80% interval is as wide as the forecast's.
    """
    rows = forecasts[forecasts["step"] == step].copy()
    rows["last"] = rows["coin"].map(last)
    rows["return"] = rows["forecast"] / rows["last"] - 1
    if "lower_80" not in rows:
        rows["lower_80"] = rows["upper_80"] = np.nan
    rows["width"] = (rows["upper_80"] - rows["lower_80"]) / rows["last"]
    rows["probability"] = rising_probability(rows)
    signs = np.sign(rows["return"])
    together = signs.groupby([rows["coin"], signs]).transform("count")
    rows["agreement"] = together / rows.groupby("coin")["model"].transform("count")
    rows["age"] = rows["coin"].map(ages)
    rows["findings"] = [sorted(findings.get(coin, ())) for coin in rows["coin"]]
    names = ["coin", "model", "cutoff", "step", "last", "forecast", "return", "probability"]
    return rows[[*names, "width", "agreement", "age", "findings"]].reset_index(drop=True)


def judge(
    rules: Sequence[Rule],
    forecasts: pd.DataFrame,
    last: Mapping[str, float],
    ages: Mapping[str, int],
    findings: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """Return what the first rule that holds for each forecast leads to.

    Parameters
    ----------
    rules : sequence of Rule
    forecasts, last, ages, findings
        See `see`.

    Returns
    -------
    list of dict
        ``coin, model, cutoff, rule, action, side, weight, seen`` of each coin and model for which
        a rule holds, by coin and model; others are stored.
    """
    if forecasts.empty:
        return []
    horizon = int(forecasts["step"].max())
    tables: dict[int, dict[tuple[str, str], dict[str, Any]]] = {}
    for step in {rule.step or horizon for rule in rules}:
        table = see(forecasts, last, ages, findings, step)
        records = table.assign(cutoff=table["cutoff"].dt.strftime("%Y-%m-%dT%H:%M:%S"))
        tables[step] = {(r["coin"], r["model"]): r for r in records.to_dict("records")}  # type: ignore[misc]
    judged = []
    for coin, model in sorted({key for table in tables.values() for key in table}):
        for rule in rules:
            seen = tables[rule.step or horizon].get((coin, model))
            if seen is None or not rule.holds(seen):
                continue
            shown = {k: None if v != v else v for k, v in seen.items()}
            facts = {"rule": rule.name, "action": rule.action, "side": rule.side}
            judged.append(
                {"coin": coin, "model": model, "cutoff": shown.pop("cutoff"), **facts}
                | {"weight": rule.weight, "seen": shown}
            )
            break
    return judged
