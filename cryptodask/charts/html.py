"""What objects show of themselves in a notebook: small tables, in the colours of its theme."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

STYLE = (
    "border-collapse: collapse; font: inherit; color: inherit; background: transparent; "
    "margin: 2px 0"
)
"""No colours but those around: light and dark are the notebook's."""

CELL = "text-align: left; padding: 1px 14px 1px 0; color: inherit; background: transparent"

LONGEST = 160
"""Letters of a text at most."""


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return facts as a table of two columns.

    Parameters
    ----------
    title : str
        What it is; as all texts, it is escaped.
    facts : mapping of str to object
        A row each, in this order; None is left out.
    """
    rows = [(name, _text(value)) for name, value in facts.items() if value is not None]
    cells = [
        f'<tr><td style="{CELL}; opacity: 0.65">{escape(name)}</td>'
        f'<td style="{CELL}">{value}</td></tr>'
        for name, value in rows
    ]
    return f"<b>{_text(title)}</b>{_table(cells)}"


def table_html(names: Sequence[str], rows: Iterable[Sequence[object]], more: int = 0) -> str:
    """Return a small table.

    Parameters
    ----------
    names : sequence of str, ``(n_columns,)``
    rows : iterable of sequence, each ``(n_columns,)``
        As texts they are escaped.
    more : int
        Rows that are not shown, for a line below.
    """
    head = "".join(f'<td style="{CELL}; opacity: 0.65">{escape(name)}</td>' for name in names)
    body = ["".join(f'<td style="{CELL}">{_text(value)}</td>' for value in row) for row in rows]
    lines = [f"<tr>{cells}</tr>" for cells in [head, *body]]
    if more > 0:
        lines.append(f'<tr><td colspan="{len(names)}" style="{CELL}">… and {more:,} more</td></tr>')
    return _table(lines)


def _table(rows: Sequence[str]) -> str:
    return f'<table style="{STYLE}"><tbody>{"".join(rows)}</tbody></table>'


def _text(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
