"""Columns of a user's own, beside prices: how features name them and where panels have them.

A panel holds each under the text that a feature asks for it by: ``column:NAME`` is the value on
the row's date, ``ahead:NAME:3`` the one on the date three bars later, of a column that is known
ahead, ``static:NAME`` a fact of the coin that is a number, and ``static:NAME=VALUE`` 1 where the
fact is that text and 0 where it is another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

OwnKind = Literal["column", "ahead", "static"]


@dataclass(frozen=True)
class OwnColumn:
    """A column that a feature asks for.

    Attributes
    ----------
    kind : {"column", "ahead", "static"}
        Known on its date; known ahead; or a fact, the same on all dates of a coin.
    name : str
        As the header of the prices has it, in the same case.
    lead : int
        Of ``ahead``, how many bars after the row.
    value : str or None
        Of ``static``, the text that is 1; None of a fact that is a number.

    Examples
    --------
    >>> OwnColumn.parse("ahead:full moon:3")
    OwnColumn(kind='ahead', name='full moon', lead=3, value=None)
    >>> OwnColumn("static", "category", value="DeFi").text
    'static:category=DeFi'
    """

    kind: OwnKind
    name: str
    lead: int = 0
    value: str | None = None

    @property
    def text(self) -> str:
        """What panels and models call it."""
        if self.kind == "ahead":
            return f"ahead:{self.name}:{self.lead}"
        return f"{self.kind}:{self.name}" + ("" if self.value is None else f"={self.value}")

    @classmethod
    def parse(cls, text: str) -> "OwnColumn | None":
        """Return the column that a text asks for; None of a column of prices, such as volume.

        Parameters
        ----------
        text : str
        """
        kind, colon, name = text.partition(":")
        if not colon or kind not in get_args(OwnKind):
            return None
        if kind == "ahead":
            name, _, lead = name.rpartition(":")
            return cls("ahead", name, int(lead))
        if kind == "static":
            name, equals, value = name.partition("=")
            return cls("static", name, value=value if equals else None)
        return cls(cast("OwnKind", kind), name)


def own_columns(columns: Iterable[str]) -> tuple[OwnColumn, ...]:
    """Return those of a model's columns that are a user's own.

    Parameters
    ----------
    columns : iterable of str
        See `cryptodask.models.base.Model.columns`.
    """
    parsed = (OwnColumn.parse(text) for text in columns)
    return tuple(column for column in parsed if column is not None)
