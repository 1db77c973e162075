"""Tables of the command, which are shown whole at any width."""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["FittingTable", "label", "number", "prose", "wrap_words"]

WORD = re.compile(r"(?:`[^`]*`|\S)+")
"""What is not broken: a word, or a command between backticks."""

GAPS = (2, 1)
"""Cells between columns: the second where rows would not fit with the first."""

LEAST_PROSE = 14
"""Cells that a column of prose gets at least, where its texts have as many."""

LEAST_NAME = 10
"""Cells that a column of names gets at least."""


def label(name: str) -> Column:
    """Return a column of names, which may be broken anywhere where they are long.

    Parameters
    ----------
    name : str
        Its heading.
    """
    return Column(name, overflow="fold", min_width=LEAST_NAME)


def number(name: str) -> Column:
    """Return a column of numbers, which end below each other.

    Parameters
    ----------
    name : str
        Its heading.
    """
    return Column(name, justify="right")


def prose(name: str) -> Column:
    """Return a column of sentences, which may be wrapped between words.

    Parameters
    ----------
    name : str
        Its heading.
    """
    return Column(name, overflow="fold")


class FittingTable(Table):
    """A table in which nothing is cut: where rows are too wide, each value gets a line.

    Cells are plain text, of one or more lines, and only `prose` and `label` are wrapped.

    Parameters
    ----------
    *columns : str or Column
    title : str
    """

    def __init__(self, *columns: str | Column, title: str = "") -> None:
        super().__init__(
            title=Text(title, style="italic") if title else None,
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
        )
        self.texts: list[tuple[str, ...]] = []
        for column in columns:
            self.add(column)

    def add(self, column: str | Column) -> None:
        """Add a column.

        Parameters
        ----------
        column : str or Column
        """
        shown = Column(column) if isinstance(column, str) else column
        wraps = shown.overflow == "fold"
        super().add_column(
            Text(str(shown.header)),
            justify=shown.justify,
            no_wrap=not wraps,
            overflow="fold",
            min_width=shown.min_width,
        )

    def add_texts(self, *cells: str) -> None:
        """Add a row.

        Parameters
        ----------
        *cells : str
            A text a column.
        """
        self.texts.append(cells)
        super().add_row(*map(Text, cells))

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the rows, or, where they don't fit, a line for each value."""
        for gap in GAPS:
            widths = self._fitting(options.max_width - gap * (len(self.columns) - 1))
            if widths is not None:
                break
        else:
            yield from self._records()
            return
        self.padding = (0, gap - 1, 0, 0)  # beside the cell of the box that is between columns
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)
        yield Text("")

    def fits(self, width: int, *, wrapped: bool) -> bool:
        """Return whether rows fit.

        Parameters
        ----------
        width : int
            Cells of the terminal.
        wrapped : bool
            Whether texts may be wrapped for it.
        """
        room = width - GAPS[-1] * (len(self.columns) - 1)
        widths = self._fitting(room)
        return widths is not None and (wrapped or widths == self._fitting(sys.maxsize))

    def _fitting(self, room: int) -> list[int] | None:
        """Return the width of each column; None where the room is too little for all."""
        most, least = [], []
        for place, column in enumerate(self.columns):
            lines = [
                str(column.header),
                *(li for row in self.texts for li in row[place].split("\n")),
            ]
            most.append(max(map(cell_len, lines)))
            words = max(cell_len(word) for line in lines for word in line.split(" "))
            some = min(most[-1], column.min_width or max(words, LEAST_PROSE))
            least.append(most[-1] if column.no_wrap else some)
        if sum(least) > room:
            return None
        spare = room - sum(least)
        widths = least
        while spare and widths != most:
            neediest = max(range(len(most)), key=lambda i: most[i] - widths[i])
            widths[neediest] += 1
            spare -= 1
        return widths

    def _records(self) -> "RenderResult":
        """Yield the title, and a block of lines for each row."""
        if self.title:
            yield self.title
        for row in self.texts:
            block = Table.grid(
                Column(no_wrap=True), Column(overflow="fold"), padding=(0, GAPS[0], 0, 0)
            )
            for column, text in zip(self.columns, row, strict=True):
                block.add_row(Text(str(column.header), style="bold"), Text(text))
            yield Text("")
            yield block
        yield Text("")


def wrap_words(text: str, width: int) -> str:
    """Return a text with breaks between words, and never within what is in backticks.

    A terminal would break a long line anywhere. A word that is wider than all of it is alone on
    its line, so that a path or a command can be copied from it.

    Parameters
    ----------
    text : str
    width : int
        Cells of the terminal.
    """
    return "\n".join(wrapped for line in text.split("\n") for wrapped in _wrapped(line, width))


def _wrapped(line: str, width: int) -> Sequence[str]:
    """Return the lines of a line, each with the spaces that are before its first word."""
    if cell_len(line) <= width or not line.strip():
        return [line]
    first, *words = WORD.findall(line)
    indent = line[: len(line) - len(line.lstrip())]
    lines = [indent + first]
    for word in words:
        joined = f"{lines[-1]} {word}"
        if cell_len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(indent + word)
    return lines
