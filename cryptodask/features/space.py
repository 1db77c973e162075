"""A feature space is declared, not coded: a short text that says what a model sees of a coin.

The text is names and numbers, as ``lag:1-10 std:14 macd:12,26,9 weekday``, with a target and a
normalisation beside it. It computes over a panel of many coins at once, and it has a fingerprint
that travels with what was trained on it and forecast from it.
"""

import difflib
import hashlib
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cryptodask.errors import OptionError
from cryptodask.features.definitions import DEFINITIONS, Definition
from cryptodask.features.market import Market
from cryptodask.features.own import OwnColumn
from cryptodask.features.rows import Rows
from cryptodask.features.scaling import Scaling
from cryptodask.features.targets import MOST_ROWS, Target
from cryptodask.records import FloatArray, Panel

FORMAT, MOST_COLUMNS = 1, 1_000


@dataclass(frozen=True)
class Feature:
    """One feature of a declaration.

    Attributes
    ----------
    name : str
        One of `DEFINITIONS`.
    parameters : tuple of int or str
        What its definition takes: lags or rows; first the name of a coin, column or fact, where it
        takes one.
    """

    name: str
    parameters: tuple[int | str, ...]

    @property
    def definition(self) -> Definition:
        """What it is."""
        return DEFINITIONS[self.name]

    @property
    def text(self) -> str:
        """The feature as it is written."""
        split = ":" if self.definition.named else ","
        numbers = split.join(str(value) for value in self.parameters)
        return shlex.quote(f"{self.name}:{numbers}") if numbers else self.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        parts = self.definition.parts
        return tuple(f"{self.text} {part}" for part in parts) if parts else (self.text,)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of a panel that it reads beside the closes."""
        own_kind = self.definition.own_kind
        if own_kind is None:
            return self.definition.columns
        name, *numbers = self.parameters
        lead = int(numbers[0]) if own_kind == "ahead" else 0
        if own_kind != "static":
            return (OwnColumn(own_kind, str(name), lead).text,)
        return (f"static:{name}",)

    @property
    def history(self) -> int:
        """Rows of a segment, a row itself included, until it is known."""
        return self.definition.rows(*self.parameters)


@dataclass(frozen=True)
class FeatureSpace:
    """Features, in order, with the target they are to explain and their normalisation.

    Attributes
    ----------
    features : tuple of Feature
        At least one.
    target : Target
    scaling : Scaling

    Examples
    --------
    >>> space = FeatureSpace.parse("lag:1-2 macd weekday", target="log_return")
    >>> space.text
    'lag:1 lag:2 macd:12,26,9 weekday'
    >>> space.names[:4]
    ('lag:1', 'lag:2', 'macd:12,26,9 line', 'macd:12,26,9 signal')
    """

    features: tuple[Feature, ...]
    target: Target
    scaling: Scaling

    @classmethod
    def parse(cls, text: str, target: str = "scaled", normalise: str = "none") -> "FeatureSpace":
        """Read a declaration.

        Parameters
        ----------
        text : str
            Features with spaces between them, each ``name``, ``name:3``, ``name:1,2,7`` or
            ``name:1-10``; see `cryptodask.features.definitions.DEFINITIONS`. A coin is written as
            ``coin:Bitcoin:1``, a column of your own as ``column:sentiment:1``, in quotes if there
            are spaces in its name.
        target : str
            See `Target`.
        normalise : str
            See `Scaling`.

        Raises
        ------
        OptionError
            It can't be read; the message names the feature, its place and the rule.
        """
        return _parse(text, target, normalise)

    @property
    def text(self) -> str:
        """The features as they are written, each by itself and with all its numbers."""
        return " ".join(feature.text for feature in self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order, ``(n_columns,)``."""
        return tuple(name for feature in self.features for name in feature.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of prices that are read beside the closes."""
        wanted = [name for feature in self.features for name in feature.reads]
        return tuple(dict.fromkeys(wanted))

    @property
    def crosses(self) -> tuple[Feature, ...]:
        """The features that depend on other coins."""
        return tuple(f for f in self.features if f.definition.crosses)

    @property
    def coins(self) -> tuple[str, ...]:
        """The coins that are named."""
        named = [str(f.parameters[0]) for f in self.features if f.name == "coin"]
        return tuple(dict.fromkeys(named))

    @property
    def history(self) -> int:
        """Rows of a segment, a row itself included, until all its features are known."""
        longest = max(
            f.history + (0 if f.definition.calendar else self.scaling.history)
            for f in self.features
        )
        return max(longest, self.target.history)

    @property
    def lookback(self) -> int | None:
        """The last rows of a coin that the features of its last one are made from; None: all."""
        endless = any(f.definition.endless for f in self.features)
        return None if endless or self.scaling.kind == "coin" else self.history

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names, order, parameters, dtype and versions, as hexadecimal digits.

        It changes when any number that is computed may change.
        """
        facts = {
            "format": FORMAT,
            "dtype": "float64",
            "features": [
                {
                    "name": f.name,
                    "parameters": f.parameters,
                    "columns": f.columns,
                    "version": f.definition.version,
                }
                for f in self.features
            ],
            "target": {"name": self.target.text, "version": self.target.VERSION},
            "normalise": {"name": self.scaling.text, "version": self.scaling.VERSION},
        }
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def rows(self, panel: Panel, market: Market | None = None) -> Rows:
        """Return the rows of a panel, for `compute` and the target.

        Parameters
        ----------
        panel : Panel
            Of ``(n_coins,)``, with the `columns` that the features need.
        market : Market, optional
            Of all coins.

        Raises
        ------
        OptionError
            A feature needs a column that the panel lacks, or the market and there is none.
        """
        for feature in self.features:
            missing = set(feature.reads) - set(panel.extra)
            if missing:
                raise OptionError(
                    f"features: {feature.text} needs the column {missing.pop()!r}, and the panel "
                    f"has {', '.join(['close', *panel.extra])}"
                )
            if feature.definition.crosses and market is None:
                raise OptionError(
                    f"features: {feature.text} depends on other coins, so that only a model that "
                    "is trained on all coins can have it, as pooled_linear; leave it out"
                )
        return Rows(panel, market)

    def compute(self, rows: Rows) -> FloatArray:
        """Return all features of every row.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        ndarray of float64, ``(n_rows, n_columns)``
            NaN where a segment has not enough rows yet, and where what a feature is made of is
            missing.
        """
        columns = np.empty((len(self.names), len(rows.panel.values)))
        place = 0
        for feature in self.features:
            for column in feature.definition.compute(rows, *feature.parameters):
                as_it_is = feature.definition.calendar
                columns[place] = column if as_it_is else self.scaling(rows, column)
                place += 1
        return columns.T


@lru_cache(maxsize=64)
def _parse(text: str, target: str, normalise: str) -> FeatureSpace:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"features: {text!r}: {error}; close every quotation mark") from error
    if not words:
        raise OptionError("features: none declared; write names and numbers, as lag:1-5 weekday")
    features: dict[Feature, None] = {}
    for place, word in enumerate(words, start=1):
        try:
            declared = list(_features_of(word, f"features: {word!r}, number {place}"))
        except OptionError as error:
            raise OptionError(f"{error}{_quoted(words[:place])}") from None
        for feature in declared:
            if feature in features:
                raise OptionError(
                    f"features: {word!r}, number {place}: {feature.text} is there twice"
                )
            features[feature] = None
    space = FeatureSpace(tuple(features), Target.parse(target), Scaling.parse(normalise))
    if len(space.names) > MOST_COLUMNS:
        raise OptionError(f"features: {len(space.names)} columns; at most {MOST_COLUMNS} can be")
    return space


def _features_of(word: str, where: str) -> Iterator[Feature]:
    """Yield the features that one word declares."""
    name, colon, numbers = word.partition(":")
    if name not in DEFINITIONS:
        near = difflib.get_close_matches(name, DEFINITIONS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise OptionError(f"{where}: no such feature; {hint}features: {', '.join(DEFINITIONS)}")
    definition = DEFINITIONS[name]
    first: tuple[str, ...] = ()
    if definition.named:
        named, numbers = _name_of(numbers, definition)
        if not named or named != named.strip() or not named.isprintable():
            what, example = definition.named, _EXAMPLES[definition.named]
            raise OptionError(f"{where}: names no {what}; write it as {name}:{example}")
        first = (named,)
    written = bool(numbers if first else colon)
    if definition.takes == "none":
        if written:
            raise OptionError(f"{where}: {name} takes no number; write {name}")
        yield Feature(name, first)
        return
    values = _numbers(numbers, where, definition.least) if written else definition.default or (1,)
    if definition.takes == "each":
        for value in values:
            yield Feature(name, (*first, value))
    elif len(values) == len(definition.default):
        yield Feature(name, values)
    else:
        example = ",".join(str(value) for value in definition.default)
        raise OptionError(f"{where}: takes {len(definition.default)} numbers, as {name}:{example}")


def _quoted(words: list[str]) -> str:
    """Return how to write the last two words if they are one name or text with a space in it."""
    before = words[-2:-1] or [""]
    definition = DEFINITIONS.get(before[0].partition(":")[0])
    if definition is None or not definition.named:
        return ""
    return f"; if it belongs to the feature before it, quote both: {' '.join(words[-2:])!r}"


_EXAMPLES = {
    "coin": "Bitcoin:1",
    "column": "sentiment:1",
    "fact": "launched or static:category=DeFi",
}


def _name_of(text: str, definition: Definition) -> tuple[str, str]:
    """Return the name of a coin, column or fact, and the numbers that are written after it."""
    if definition.takes == "none":
        return text, ""
    name, _, numbers = text.rpartition(":")
    return (name, numbers) if name and set(numbers) <= set("0123456789,-") else (text, "")


def _numbers(text: str, where: str, least: int) -> tuple[int, ...]:
    """Read ``3``, ``1,2,7``, ``1-10``, or several of them with commas."""
    values: list[int] = []
    for part in text.split(","):
        low, dash, high = part.partition("-")
        ends = [low, high] if dash else [low]
        if not all(end.isascii() and end.isdecimal() and len(end) < 9 for end in ends):
            raise OptionError(f"{where}: {part!r} is neither a number nor a range, as 3 or 1-10")
        start, stop = int(ends[0]), int(ends[-1])
        if not least <= start <= stop <= MOST_ROWS:
            raise OptionError(
                f"{where}: {part!r}: must be in {least} to {MOST_ROWS}, the lower end first"
            )
        values += range(start, stop + 1)
    return tuple(values)
