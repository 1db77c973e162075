"""Tables of pages, drawn with Bokeh."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from cryptodask.charts.theme import ELEMENT, GRID, css_color

Columns = dict[str, Any]
"""Lists or arrays of one length, by name."""

TitledColumns = Sequence[tuple[str, str, int, str | None]]
"""Column, title, width in pixels, and format of a number, or None for a text."""

ROW, HEAD, HIGHEST = 25, 34, 560
"""Heights in pixels: of a row, of the titles, and of a table at most."""

ROOM = 1120
"""Pixels for a table in a window of 1,280: wider ones are squeezed, not scrolled."""

BAR = (
    f'<div style="background:{css_color("rule")};height:12px;margin-top:4px;border-radius:3px">'
    '<div style="background:#0072B2;height:12px;border-radius:3px;'
    'width:<%= (100 * Number(value)).toFixed(1) %>%"></div></div>'
)
"""Template of a bar for a number from 0 to 1; it shows nothing that anybody named."""


def data_table(name: str, frame: pd.DataFrame, columns: TitledColumns) -> tuple[Any, Any]:
    """Return a table that a click sorts, with texts set as texts: in a box, and by itself.

    Parameters
    ----------
    name : str
        Of the Bokeh model.
    frame : DataFrame
        Has the columns that are shown.
    columns : sequence of (str, str, int, str or None)
        Field, title, width in pixels, and format of a number, or None for a text.

    Returns
    -------
    bokeh.models.Column
        Scrolls sideways where a window is narrow.
    bokeh.models.DataTable
    """
    from bokeh.layouts import column
    from bokeh.models import (
        ColumnDataSource,
        DataTable,
        NumberFormatter,
        StringFormatter,
        TableColumn,
    )

    shown = [
        TableColumn(
            field=field,
            title=title,
            width=width,
            formatter=StringFormatter()
            if number is None
            else NumberFormatter(format=number, nan_format="–", text_align="right"),
        )
        for field, title, width, number in columns
    ]
    # Titles above their numbers.
    numbers = [i for i, (*_, number) in enumerate(columns, 1) if number]
    titles = [f".slick-header-column:nth-child({i}) .slick-column-name" for i in numbers]
    over_numbers = [f"{', '.join(titles)} {{ float: right; }}"] if titles else []
    table = DataTable(
        name=name,
        source=ColumnDataSource(columns_of(frame, columns)),
        columns=shown,
        index_position=None,
        reorderable=False,
        stylesheets=[ELEMENT, GRID, *over_numbers],
        height=height_of(len(frame)),
        sizing_mode="stretch_width",
        # Not as `min_width`, which comes into force after columns were fitted to a narrow window.
        styles={"min-width": f"{min(ROOM, sum(width for _, _, width, _ in columns))}px"},
    )
    # A narrow window scrolls the table, rather than squeezing it.
    return column(table, sizing_mode="stretch_width", styles={"overflow-x": "auto"}), table


def columns_of(frame: pd.DataFrame, columns: TitledColumns) -> dict[str, Any]:
    """Return what the source of a table holds: texts as lists of str, numbers as arrays.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of (str, str, int, str or None)
        See `data_table`.

    Returns
    -------
    dict of str to list of str or ndarray
        Each ``(n_rows,)``.
    """
    return {
        field: frame[field].astype("str").tolist() if number is None else frame[field].to_numpy()
        for field, _, _, number in columns
    }


def height_of(rows: int) -> int:
    """Return the height in pixels of a table of some rows.

    Parameters
    ----------
    rows : int
    """
    return min(HIGHEST, HEAD + ROW * max(1, rows))


def live_table(
    name: str, titles: TitledColumns, columns: Columns, bar: str = ""
) -> tuple[Any, Any]:
    """Return a table whose columns change: in a box, and by itself.

    Parameters
    ----------
    name : str
        Of the Bokeh model.
    titles : sequence of (str, str, int, str or None)
        See `data_table`.
    columns : dict of str to list
    bar : str
        The column that is drawn as bars, from 0 to 1.

    Returns
    -------
    bokeh.models.Column
    bokeh.models.DataTable
    """
    from bokeh.models import CustomJS, HTMLTemplateFormatter

    frame = pd.DataFrame({field: columns[field] for field, *_ in titles})
    box, table = data_table(name, frame, titles)
    table.source.data = columns
    # Bokeh 3.9 draws a table anew where its rows change in number, and not where only cells do.
    redraw = CustomJS(args={"view": table.view}, code="view.change.emit()")
    table.source.js_on_change("data", redraw)
    for column in table.columns:
        if column.field == bar:
            column.formatter = HTMLTemplateFormatter(template=BAR)
    return box, table


def put(table: Any, columns: Columns) -> None:
    """Give a table its columns, unless it has them already.

    Parameters
    ----------
    table : bokeh.models.DataTable
    columns : dict of str to list
    """
    shown = table.source.data
    if any(list(shown[name]) != values for name, values in columns.items()):
        table.source.data = columns
        table.height = height_of(len(next(iter(columns.values()))))
