"""Styles that all pages share beside `cryptodask.charts.style`, drawn with Bokeh.

Names of coins and models come from files that nobody vetted. They reach a page only as data: the
text of a ``Div`` that renders text, an option of a list, a label of the legend or of a tooltip's
row, a cell of a table. Bokeh sets all of these as text; none is HTML, a template or TeX.
"""

from typing import Any

from cryptodask.charts.style import FONT, INK, plain_text

BODY = {"--bokeh-base-font": FONT, "--bokeh-font-size": "13px"}
"""Styles of a page's outermost column."""

WRAP = {"flex-wrap": "wrap"}
"""Style of a row whose parts take more lines in a narrow window."""


def section_title(text: str, name: str = "title") -> Any:
    """Return the title of a section of a page.

    Parameters
    ----------
    text : str
    name : str
        Of the Bokeh model, and its CSS class.

    Returns
    -------
    bokeh.models.Div
    """
    title = plain_text(name, text, "18px", INK, "650")
    title.margin = (24, 5, 4, 5)
    return title
