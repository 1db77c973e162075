"""Colours, fonts and texts that all pages share, drawn with Bokeh.

Names of coins and models come from files that nobody vetted. They reach a page only as data: the
text of a ``Div`` that renders text, an option of a list, a label of the legend or of a tooltip's
row, a cell of a table. Bokeh sets all of these as text; none is HTML, a template or TeX.
"""

from typing import Any

from cryptodask.charts.style import COLORS as COLORS
from cryptodask.charts.style import CSS_COLORS as CSS_COLORS
from cryptodask.charts.style import DASHES as DASHES
from cryptodask.charts.style import FONT as FONT
from cryptodask.charts.style import INK as INK
from cryptodask.charts.style import LINE as LINE
from cryptodask.charts.style import MUTED as MUTED
from cryptodask.charts.style import RULE as RULE
from cryptodask.charts.style import TOOLS as TOOLS
from cryptodask.charts.style import add_legend as add_legend
from cryptodask.charts.style import dress as dress
from cryptodask.charts.style import plain_text as plain_text
from cryptodask.charts.style import style as style

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
