"""Rules: from what is known at each origin to the share of the equity that a coin should be.

A rule is declared, as ``ridge:return=0.02,top=5,hold=3``: what it looks at, then its conditions.
It looks at a model of a backtest, at ``momentum`` (the return of past closes), or is ``hold``,
which buys what there is and keeps it. A rule may also be a function from rows (`RULE_COLUMNS`) to
target weights, a number a row, NaN where nothing is decided.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
import pandas as pd

from cryptodask.errors import OptionError
from cryptodask.models.options import convert
from cryptodask.runs.fields import optional, whole_number

Weigh = Callable[[pd.DataFrame], Any]
"""A user's rule: from rows to target weights, one a row."""

MOMENTUM, HOLD = "momentum", "hold"

RULE_COLUMNS = (
    "coin", "model", "cutoff", "step", "last", "forecast", "return", "probability", "volatility",
)  # fmt: skip
"""What rules see: nothing of it is from after the cutoff. ``last`` is the close at the cutoff and
``forecast`` that of ``step`` bars ahead, in the quote currency; ``return`` is forecast / last - 1;
``probability`` that of a close above the last, NaN without intervals; ``volatility`` the standard
deviation of the log returns of the bars up to the cutoff, a bar. Of momentum, ``forecast`` is the
last close, ``step`` 0, and ``return`` that of the past bars."""

SIZES = ("equal", "volatility", "parity")

WIDTH_OF_80 = 2 * 1.2815515655446004
"""Between the bounds of an 80% interval of a normal distribution, in standard deviations."""


def _number(least: float, most: float = np.inf) -> Any:
    def check(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None and not least <= value <= most:
            upper = "" if most == np.inf else f" to {most:g}"
            raise OptionError(f"{field.name}: must be from {least:g}{upper}, got {value!r}")

    return check


def _size(_: Any, field: "attrs.Attribute[Any]", value: Any) -> None:
    if value not in SIZES:
        raise OptionError(f"{field.name}: must be one of {', '.join(SIZES)}, got {value!r}")


def _option(default: Any, kind: Any, name: str, check: Any = None) -> Any:
    return attrs.field(default=default, validator=check, metadata={"name": name, "kind": kind})


@attrs.frozen(kw_only=True)
class Rule:
    """A declared rule. It holds a coin from an origin where all its conditions are met.

    Attributes
    ----------
    source : str
        A model of the backtest, ``momentum`` or ``hold``.
    step : int or None
        Bars ahead at which the forecast is looked at; by default the horizon.
    lookback : int
        Of ``momentum``: bars of the past return.
    minimum : float
        ``return``: the expected return, less the costs of buying and selling, is above this share.
        Of momentum, the past return is.
    probability : float or None
        That of a close above the last one is at least this.
    top : int or None
        Only the coins with the largest returns, this number at each origin.
    size : str
        ``equal``: all of a coin's cash, or equal parts of shared cash; ``volatility``: that, times
        ``target`` over the coin's volatility, up to 1; ``parity``: parts of shared cash by the
        inverse of volatility.
    target : float
        Of ``size=volatility``: volatility a year that a position should have, a share.
    most : float
        Share of the equity that a coin may be at most.
    hold : int
        Bars that a position is kept at least.
    stop : float or None
        A position is sold whose close is this share below that at which it was decided.

    Raises
    ------
    OptionError
        A value is out of its range, or an option has no effect on such a rule.
    """

    source: str
    step: int | None = _option(None, int, "step", optional(whole_number(1)))
    lookback: int = _option(30, int, "lookback", whole_number(1))
    minimum: float = _option(0.0, float, "return", _number(-1.0))
    probability: float | None = _option(None, float, "probability", _number(0.0, 1.0))
    top: int | None = _option(None, int, "top", optional(whole_number(1)))
    size: str = _option("equal", str, "size", _size)
    target: float = _option(0.5, float, "target", _number(1e-9))
    most: float = _option(1.0, float, "most", _number(1e-9, 1.0))
    hold: int = _option(0, int, "hold", whole_number(0))
    stop: float | None = _option(None, float, "stop", _number(1e-9, 1.0))

    def __attrs_post_init__(self) -> None:
        """Refuse options that would be ignored."""
        without = {HOLD: set(OPTIONS), MOMENTUM: {"step", "probability"}}
        idle = without.get(self.source, {"lookback"})
        if self.size != "volatility":
            idle |= {"target"}
        for name in self._given():
            if name in idle:
                needs = "without size=volatility" if name == "target" else f"on {self.source}"
                raise OptionError(f"{name}: has no effect {needs}; leave it out")

    def _given(self) -> dict[str, Any]:
        """Return the options that are not as by default, by the names that are written."""
        return {
            field.metadata["name"]: getattr(self, field.name)
            for field in attrs.fields(Rule)
            if field.metadata and getattr(self, field.name) != field.default
        }

    @property
    def text(self) -> str:
        """The rule as it is written."""
        given = [f"{name}={value}" for name, value in self._given().items()]
        return self.source + (":" + ",".join(given) if given else "")

    def crosses(self, shared: bool) -> bool:
        """Return whether the weight of a coin depends on those of others at its date.

        Parameters
        ----------
        shared : bool
            Whether coins share cash.
        """
        return shared or self.top is not None

    def choose(self, rows: pd.DataFrame, costs: float) -> pd.DataFrame:
        """Return the rows whose own conditions are met, whatever other coins do.

        Parameters
        ----------
        rows : DataFrame
            `RULE_COLUMNS`, of one model and step, with ``annual``: volatility a year.
        costs : float
            Of buying and selling, a share of the notional.

        Returns
        -------
        DataFrame
            ``coin, cutoff, net, annual``: net is the return after costs.
        """
        net = rows["return"] - (0.0 if self.source == MOMENTUM else costs)
        chosen = net > self.minimum
        if self.probability is not None:
            chosen &= rows["probability"] >= self.probability
        if self.size != "equal":
            chosen &= rows["annual"] > 0
        return rows.assign(net=net).loc[chosen, ["coin", "cutoff", "net", "annual"]]

    def divide(self, chosen: pd.DataFrame, shared: bool) -> pd.DataFrame:
        """Return the target weights of rows that were chosen, shares of the equity.

        Parameters
        ----------
        chosen : DataFrame
            What `choose` gives of all coins.
        shared : bool
            Whether coins share cash.

        Returns
        -------
        DataFrame
            The same rows by date and coin, with ``weight``; it does not depend on their order.
        """
        chosen = chosen.sort_values(["cutoff", "coin"], kind="stable")
        if self.top is not None:
            # Equal returns by name of coin, so that the order of rows decides nothing.
            best = chosen.sort_values("net", ascending=False, kind="stable")
            chosen = chosen[(best.groupby("cutoff").cumcount() < self.top).reindex(chosen.index)]
        parts = pd.Series(1.0, index=chosen.index)
        if self.size == "parity":
            parts = 1.0 / chosen["annual"]
        if shared:
            parts = parts / parts.groupby(chosen["cutoff"]).transform("sum")
        if self.size == "volatility":
            parts = parts * (self.target / chosen["annual"]).clip(upper=1.0)
        return chosen.assign(weight=parts.clip(upper=self.most))

    def weigh(self, rows: pd.DataFrame, costs: float, shared: bool) -> "pd.Series[Any]":
        """Return target weights at each origin, shares of the equity.

        Parameters
        ----------
        rows : DataFrame
            As of `choose`, of all coins.
        costs : float
            Of buying and selling, a share of the notional.
        shared : bool
            Whether coins share cash.

        Returns
        -------
        Series of float64, ``(n_rows,)``
            0 where a condition is not met, or what it needs is missing.
        """
        weights = self.divide(self.choose(rows, costs), shared)["weight"]
        return weights.reindex(rows.index, fill_value=0.0)


OPTIONS: Mapping[str, "attrs.Attribute[Any]"] = {
    field.metadata["name"]: field for field in attrs.fields(Rule) if field.metadata
}
"""Names of a rule's options, as they are written, to its fields."""


def read_rule(text: str) -> Rule:
    """Read a rule that is declared as a text.

    Parameters
    ----------
    text : str
        ``SOURCE`` or ``SOURCE:NAME=VALUE,…``; see `Rule`.

    Raises
    ------
    OptionError
        An option is unknown, given twice, or out of its range.

    Examples
    --------
    >>> read_rule("momentum:lookback=90,top=10").text
    'momentum:lookback=90,top=10'
    """
    # A model's own name may have a colon, as stats:AutoETS.
    source, rest = text, ""
    if "=" in text:
        source, _, rest = text[: text.index("=")].rpartition(":")
        rest += text[text.index("=") :]
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        field = OPTIONS.get(name.strip())
        if field is None:
            raise OptionError(
                f"rule {text}: {name.strip()!r} is not an option; it has {', '.join(OPTIONS)}"
            )
        if field.name in values:
            raise OptionError(f"rule {text}: {name.strip()} is given twice")
        values[field.name] = convert(f"rule {text}:", name, value.strip(), field.metadata["kind"])
    if not source.strip():
        raise OptionError(
            f"rule {text!r}: name a model of the backtest, {MOMENTUM} or {HOLD} first"
        )
    try:
        return Rule(source=source.strip(), **values)
    except OptionError as error:
        raise OptionError(f"rule {text}: {error}") from None


def rising_probability(rows: pd.DataFrame) -> "pd.Series[Any]":
    """Return the probability of a close above the last one.

    That of a normal distribution of log prices whose median is the forecast and whose 80% interval
    is as wide as the forecast's.

    Parameters
    ----------
    rows : DataFrame
        ``forecast, last, lower_80, upper_80``, in the quote currency.

    Returns
    -------
    Series of float64, ``(n_rows,)``
        From 0 to 1; NaN without an interval, or where one has no width.
    """
    from scipy.stats import norm

    with np.errstate(all="ignore"):  # a bound of 0 makes NaN, which meets no condition
        deviation = np.log(rows["upper_80"] / rows["lower_80"]) / WIDTH_OF_80
        distance = np.log(rows["forecast"] / rows["last"]) / deviation
    return pd.Series(norm.cdf(distance), index=rows.index).where(deviation > 0)


def check_weights(weights: Any, rows: pd.DataFrame, name: str) -> "pd.Series[Any]":
    """Return what a user's function gave as weights, one a row.

    Parameters
    ----------
    weights : array-like of float, ``(n_rows,)``
    rows : DataFrame
        That it was given.
    name : str
        Of the function, for messages.

    Raises
    ------
    OptionError
        They are not one number a row, or one is infinite.
    """
    if isinstance(weights, pd.Series) and not weights.index.equals(rows.index):
        raise OptionError(f"rule {name}: its weights must have the index of the rows it was given")
    try:
        values = np.asarray(weights, dtype=float)
    except (TypeError, ValueError) as error:
        raise OptionError(f"rule {name}: must return numbers: {error}") from error
    if values.shape != (len(rows),):
        raise OptionError(
            f"rule {name}: must return a weight a row, {(len(rows),)}, got {values.shape}"
        )
    if np.isinf(values).any():
        row = rows.iloc[int(np.flatnonzero(np.isinf(values))[0])]
        raise OptionError(f"rule {name}: {row['coin']}: the weight at {row['cutoff']} is infinite")
    return pd.Series(values, index=rows.index)
