"""`Chart`: what `plot` returns. It shows itself in a notebook, and can be saved."""

import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from cryptodask.charts.marks import Pane
from cryptodask.errors import OptionError
from cryptodask.io.files import write_bytes, write_text
from cryptodask.text import counted

HEIGHT = 300
"""Of a pane, in pixels."""

AROUND = 110
"""Of title and caption, in pixels."""


@dataclass(frozen=True)
class Chart:
    """A picture that a notebook shows.

    Live, it is Bokeh's: a frame with the data and BokehJS inside, which zooms, needs neither
    `bokeh.io.output_notebook`, an extension of Jupyter nor the network, and takes 1.9 MB of a saved
    notebook. With ``BOKEH_RESOURCES=cdn`` in the environment BokehJS comes from the network, and it
    takes 30 kB. What shows no HTML gets the PNG beside it.

    Attributes
    ----------
    title, caption : str
        Plain texts, never read as HTML.
    panes : tuple of Pane
        One below the other, at least one.

    Examples
    --------
    >>> forecasts.plot("Bitcoin", last=90)                          # doctest: +SKIP
    >>> forecasts.plot("Bitcoin").save("bitcoin.png")               # doctest: +SKIP
    >>> bokeh.plotting.show(forecasts.plot("Bitcoin").figure())     # doctest: +SKIP
    """

    title: str
    caption: str
    panes: tuple[Pane, ...]

    def __repr__(self) -> str:
        return f"Chart({self.title!r}, {counted(len(self.panes), 'pane')}: {self.caption!r})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the live figure, the PNG and the text; a front end shows the best that it can."""
        ways: dict[str, Callable[[], str]] = {
            "text/plain": self.__repr__,
            "text/html": self._frame,
            "image/png": lambda: b64encode(self.png()).decode("ascii"),
        }
        wanted = set(ways) if include is None else set(include)
        return {kind: ways[kind]() for kind in ways if kind in wanted - set(exclude or ())}

    def figure(self) -> Any:
        """Return the chart as Bokeh draws it, for `bokeh.plotting.show`.

        Returns
        -------
        bokeh.models.Column
        """
        from cryptodask.charts.live import layout_of

        return layout_of(self.title, self.caption, self.panes, HEIGHT)

    def html(self) -> str:
        """Return the live figure as an HTML page; see `bokeh.settings` for its resources."""
        from bokeh.embed import file_html
        from bokeh.resources import Resources
        from bokeh.settings import settings

        resources = Resources(mode=settings.resources(default="inline"))
        return str(file_html(self.figure(), resources, title=self.title))

    def png(self) -> bytes:
        """Return the chart as a PNG, drawn by matplotlib."""
        from cryptodask.charts.still import png_of

        return png_of(self.title, self.caption, self.panes)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the chart to a file, completely or not at all.

        Parameters
        ----------
        path : path
            Ends in ``.html`` or ``.png``. A file there is replaced.

        Raises
        ------
        OptionError
            Another suffix, or a folder that does not exist.
        """
        target = Path(path)
        if not target.parent.is_dir():
            raise OptionError(f"path: the folder {target.parent} does not exist; create it first")
        match target.suffix.lower():
            case ".html":
                write_text(self.html(), target)
            case ".png":
                write_bytes(self.png(), target)
            case other:
                raise OptionError(f"path: {target.name!r} must end in .html or .png, got {other!r}")

    def _frame(self) -> str:
        height = HEIGHT * len(self.panes) + AROUND
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html())}" '
            f'style="width: 100%; height: {height}px; border: 0; background: #fff"></iframe>'
        )
