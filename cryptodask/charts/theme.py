"""Light and dark: what a page and its figures are coloured with, by what the reader's system asks.

Text and boxes take their colours from CSS variables, and a page has two sets of these. Axes, grids
and legends of figures read variables, too (``--bk-…``, since Bokeh 3.8). The marks of a figure
can't, so that their colours are ones that both backgrounds show (`cryptodask.charts.style`).
Where no page sets the variables, as in a notebook, everything is light.
"""

from typing import Any

LIGHT = {
    "ink": "#1f2933",
    "muted": "#616e7c",
    "rule": "#e4e7eb",
    "paper": "#ffffff",
    "desk": "#f5f7fa",
    "hover": "#eef1f5",
    "border": "#9aa5b1",
    "link": "#00619a",
    "picked": "#d6e9f5",
    "warning": "#a84600",
}
DARK = {
    "ink": "#e4e7eb",
    "muted": "#a3afbb",
    "rule": "#39424d",
    "paper": "#171c22",
    "desk": "#0e1216",
    "hover": "#242b33",
    "border": "#66717d",
    "link": "#6cb8ea",
    "picked": "#17425c",
    "warning": "#f0975c",
}
"""Names to colours; those of text have a contrast of 4.5 or more to ``paper`` and ``desk``."""

FIGURES = {
    "major-label-text-color": "muted",
    "axis-label-text-color": "muted",
    "grid-line-color": "rule",
    "background-fill-color": "paper",
    "border-fill-color": "paper",
}
"""Variables that Bokeh reads for the parts of a figure, and which colour each has in the dark."""

NAMES = {
    "color": "ink",
    "background-color": "paper",
    "hover-color": "hover",
    "border-color": "border",
    "divider-color": "rule",
    "surface-background-color": "hover",
    "disabled-background-color": "hover",
    "inactive-bg": "hover",
    "placeholder-color": "muted",
    "shortcut-color": "muted",
    "inactive-fg": "muted",
    "active-bg": "picked",
    "active-fg": "ink",
    "default": "paper",
    "default-border": "border",
    "default-hover": "hover",
    "default-hover-border": "border",
    "default-active": "picked",
    "default-active-border": "border",
}
"""Variables that Bokeh sets in each of its elements, and what they are here."""


def css_color(name: str) -> str:
    """Return a colour of text or boxes, for CSS.

    Parameters
    ----------
    name : str
        In `LIGHT`.
    """
    return f"var(--cd-{name}, {LIGHT[name]})"


ELEMENT = (
    f":host {{ {' '.join(f'--{key}: {css_color(name)};' for key, name in NAMES.items())} "
    f"--bokeh-icon-color: {css_color('muted')}; color-scheme: light dark; }}"
    # Bokeh's arrow is a picture, which the dark can't colour; the browser's is black in it, too.
    " select:not([multiple]).bk-input { padding-right: 22px; background:"
    f" linear-gradient(45deg, transparent 50%, {css_color('ink')} 50%) right 11px center / 5px 5px"
    f" no-repeat, linear-gradient(-45deg, transparent 50%, {css_color('ink')} 50%)"
    " right 6px center / 5px 5px no-repeat var(--background-color); }"
    f" .bk-divider {{ background-color: {css_color('rule')} !important; }}"
)
"""A stylesheet for each element of Bokeh's: their own variables can't be set from outside."""

GRID = f"""
:host {{ color: {css_color("ink")}; }}
.slick-header-column, .slick-header-columns, .slick-pane-header {{
  background: {css_color("hover")} !important; color: {css_color("ink")};
  border-color: transparent {css_color("rule")} {css_color("border")} transparent !important; }}
.slick-row, .slick-row.odd, .slick-row.even {{ background: {css_color("paper")} !important; }}
.slick-row:hover .slick-cell {{ background: {css_color("hover")}; }}
.slick-cell {{ border-color: transparent {css_color("rule")} {css_color("rule")} transparent;
  color: {css_color("ink")}; }}
.slick-cell.selected, .slick-row:hover .slick-cell.selected {{
  background: {css_color("picked")} !important; }}
"""
"""A stylesheet for tables, beside `ELEMENT`."""


def page_style() -> str:
    """Return the CSS of a page: the variables, light and dark."""

    def variables(colors: dict[str, str]) -> str:
        return " ".join(f"--cd-{name}: {color};" for name, color in colors.items())

    figures = " ".join(f"--bk-{key}: {DARK[name]};" for key, name in FIGURES.items())
    return (
        f":root {{ color-scheme: light dark; {variables(LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} {figures} }} }}"
    )


def page_theme() -> Any:
    """Return the theme of a page's document.

    Returns
    -------
    bokeh.themes.Theme
    """
    from bokeh.themes import Theme

    attrs: dict[str, Any] = {"UIElement": {"stylesheets": [ELEMENT]}}
    attrs["DataTable"] = {"stylesheets": [ELEMENT, GRID]}
    return Theme(json={"attrs": attrs})
