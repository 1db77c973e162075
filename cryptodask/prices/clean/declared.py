"""What a user says of coins that no file says: splits of their unit, and names that they had.

A split by ``factor`` on a day made ``factor`` new coins of one, as of shares: prices before that
day are divided by it, and compare with those after. Where 1,000 old coins became one, ``factor``
is 0.001. Amounts are in dollars and stay. A coin that was renamed has one series under its new
name; on days that both names have, the new one's row is right.
"""

import difflib
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from cryptodask.errors import InputError, OptionError, PriceWarning
from cryptodask.prices.clean.findings import findings, join_findings
from cryptodask.prices.schema import PRICE_COLUMNS

_KEY = ["coin", "date"]


@dataclass(frozen=True, order=True)
class Split:
    """A split of a coin's unit.

    Attributes
    ----------
    coin : str
    day : str
        The first one after it, ``YYYY-MM-DD``.
    factor : float
        How many new coins there were for one.
    """

    coin: str
    day: str
    factor: float

    @classmethod
    def parse(cls, text: str) -> "Split":
        """Return the split that a text such as ``Acoin:2021-03-01:0.001`` says.

        Parameters
        ----------
        text : str

        Raises
        ------
        OptionError
            It says none.
        """
        coin, _, factor = text.rpartition(":")
        coin, _, day = coin.rpartition(":")
        try:
            number = float(factor)
            moment = date.fromisoformat(day)
        except ValueError:
            number, moment = np.nan, date.min
        if not coin or not (np.isfinite(number) and number > 0 and number != 1):
            raise OptionError(
                f"split {text!r}: write it as COIN:YYYY-MM-DD:FACTOR, with the number of new coins "
                "for one, above 0, as Acoin:2021-03-01:0.001 where 1,000 became one"
            )
        return cls(coin, moment.isoformat(), number)

    @property
    def text(self) -> str:
        """As it is given."""
        return f"{self.coin}:{self.day}:{self.factor:.10g}"


@dataclass(frozen=True)
class Declared:
    """Splits and renames.

    Attributes
    ----------
    splits : tuple of Split
        By coin and day, of coins by their last names.
    renames : dict of str to str
        Older name -> the last one.
    """

    splits: tuple[Split, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self.splits or self.renames)

    @classmethod
    def of(cls, splits: Sequence[str] = (), renames: Sequence[str] = ()) -> "Declared":
        """Return what texts declare.

        Parameters
        ----------
        splits : sequence of str
            ``COIN:DATE:FACTOR`` of each.
        renames : sequence of str
            ``OLD:NEW`` of each.

        Raises
        ------
        OptionError
            One of them makes no sense, or two contradict each other.
        """
        names: dict[str, str] = {}
        for text in renames:
            old, colon, new = text.rpartition(":")
            if not colon or not old or not new or old == new:
                raise OptionError(f"rename {text!r}: write it as OLD:NEW, such as MATIC:POL")
            if names.setdefault(old, new) != new:
                raise OptionError(f"rename {text!r}: {old} is renamed to {names[old]} already")
        last = {old: _last_name(old, names) for old in names}
        chosen: dict[tuple[str, str], Split] = {}
        for split in map(Split.parse, splits):
            coin = last.get(split.coin, split.coin)
            mine = Split(coin, split.day, split.factor)
            other = chosen.setdefault((coin, split.day), mine)
            if other != mine:
                raise OptionError(f"split {mine.text}: {other.text} is declared already")
        return cls(tuple(sorted(chosen.values())), last)

    def and_also(self, other: "Declared") -> "Declared":
        """Return all that this and another declare.

        Parameters
        ----------
        other : Declared

        Raises
        ------
        OptionError
            They contradict each other.
        """
        return Declared.of(*(a + b for a, b in zip(self.texts(), other.texts(), strict=True)))

    def texts(self) -> tuple[list[str], list[str]]:
        """Return splits and renames as they are given."""
        return [s.text for s in self.splits], [f"{a}:{b}" for a, b in self.renames.items()]

    def unknown(self, coins: Collection[str], older: Collection[str] = ()) -> list[str]:
        """Return what to say of each split and rename of a coin that is not there.

        Parameters
        ----------
        coins : collection of str
            Those of the prices, before anything is renamed.
        older : collection of str
            Names that coins had, by renames that were applied before.
        """
        last = {*coins, *(self.renames.get(coin, coin) for coin in coins)}
        lines = [(s.coin, f"split {s.text}") for s in self.splits if s.coin not in last]
        lines += [
            (old, f"rename {old}:{new}")
            for old, new in self.renames.items()
            if old not in coins and old not in older
        ]
        return [
            f"{what}: {coin} is not a coin of the table{_or_near(coin, coins)}; it is kept for "
            "what is appended"
            for coin, what in lines
        ]

    def warn_unknown(self, coins: Collection[str], older: Collection[str] = ()) -> None:
        """Warn of each split and rename of a coin that is not there; see `unknown`.

        Parameters
        ----------
        coins, older : collection of str
        """
        for line in self.unknown(coins, older):
            warnings.warn(line, PriceWarning, stacklevel=4)

    def rename(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows under the last names of their coins, on each day the row of the last name.

        Parameters
        ----------
        rows : DataFrame
            ``coin, date`` and others.
        """
        older = rows["coin"].isin(list(self.renames))
        if not older.any():
            return rows
        names = rows["coin"].map(dict(self.renames)).where(older, rows["coin"]).astype("str")
        both = rows.assign(coin=names, _older=older).sort_values([*_KEY, "_older"], kind="stable")
        again = both.duplicated(_KEY) & both["_older"]
        return both[~again].drop(columns="_older").reset_index(drop=True)

    def scale(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows whose prices before splits are divided by their factors.

        Parameters
        ----------
        rows : DataFrame
            Of coins under their last names.
        """
        for split in self.splits:
            before = (rows["coin"] == split.coin) & (rows["date"] < pd.Timestamp(split.day))
            if before.any():
                prices = {n: rows[n].mask(before, rows[n] / split.factor) for n in PRICE_COLUMNS}
                rows = rows.assign(**prices)
        return rows

    def check(self, rows: pd.DataFrame) -> None:
        """Refuse a split that makes the jump on its day larger: its factor is the wrong way round.

        Parameters
        ----------
        rows : DataFrame
            Of coins under their last names, by coin and date, as `scale` returns them.

        Raises
        ------
        InputError
            There is one.
        """
        for split in self.splits:
            mine = rows[rows["coin"] == split.coin]
            before = mine[mine["date"] < pd.Timestamp(split.day)]["close"]
            after = mine[mine["date"] >= pd.Timestamp(split.day)]["close"]
            if before.empty or after.empty or abs(np.log(split.factor)) < np.log(2):
                continue
            had, has = float(before.iloc[-1]) * split.factor, float(after.iloc[0])
            if abs(np.log(has * split.factor / had)) > abs(np.log(has / had)):
                raise InputError(
                    f"split {split.text}: the close goes from {had:.10g} to {has:.10g} there, and "
                    f"dividing what is before by {split.factor:.10g} makes the jump larger; give "
                    f"the number of new coins for one, maybe {1 / split.factor:.10g}"
                )

    def findings(self) -> pd.DataFrame:
        """Return a finding for each of them."""
        splits = pd.DataFrame(
            {"coin": [s.coin for s in self.splits], "date": [s.day for s in self.splits]}
        )
        renames = pd.DataFrame({"coin": list(self.renames.values())})
        return join_findings(
            [
                findings("split", splits.assign(file="", date=pd.to_datetime(splits["date"])),
                         value=[f"{s.factor:.10g}" for s in self.splits],
                         message="prices before this day are divided by it, as declared"),
                findings("symbol_change", renames.assign(file=""),
                         value=list(self.renames),
                         message="the name before, whose rows are this coin's, as declared"),
            ]
        )  # fmt: skip


def _or_near(coin: str, coins: Collection[str]) -> str:
    """Return the question whether a name is one of those like it, if there are any."""
    by_fold = {name.casefold(): name for name in coins}
    near = difflib.get_close_matches(coin.casefold(), by_fold, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(by_fold[name] for name in near)}?)" if near else ""


def _last_name(name: str, renames: Mapping[str, str]) -> str:
    seen = [name]
    while seen[-1] in renames:
        seen.append(renames[seen[-1]])
        if seen[-1] in seen[:-1]:
            raise OptionError(f"renames {' -> '.join(seen)}: go in a circle; leave one out")
    return seen[-1]
