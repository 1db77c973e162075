"""Pages as HTML files that need neither server nor network."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptodask.errors import OptionError

PAGE = """\
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  html, body { height: auto; }
  body { margin: 0; padding: 24px 16px; background: #f5f7fa; }
  main { max-width: 1120px; margin: 0 auto; padding: 24px 28px; background: #fff;
         border: 1px solid #e4e7eb; border-radius: 10px; box-shadow: 0 1px 4px #1f29330f; }
  @media (max-width: 640px) { body { padding: 0; } main { padding: 16px; border: 0; } }
</style>
{% endblock %}
{% block inner_body %}
<main>{{ super() }}</main>
{% endblock %}
"""


def target_of(path: str | os.PathLike[str], suffixes: Sequence[str], what: str) -> Path:
    """Return the path of a file to write, checked before anything is drawn.

    Parameters
    ----------
    path : path
    suffixes : sequence of str
        That the file may have, in lower case, as ``.html``.
    what : str
        What would be written, for the message.

    Raises
    ------
    OptionError
        The file has another suffix, it is a folder, or its folder does not exist.
    """
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        choice = suffixes[0] if len(suffixes) == 1 else f"one of {', '.join(suffixes)}"
        raise OptionError(
            f"can't write {what} to {str(target)!r}: its suffix is {target.suffix!r}, and must be "
            f"{choice}"
        )
    if not target.parent.is_dir():
        raise OptionError(
            f"can't write {what} to {str(target)!r}: the folder {target.parent} does not exist; "
            "create it first"
        )
    if target.is_dir():
        raise OptionError(f"can't write {what} to {str(target)!r}: it is a folder; name a file")
    return target


def html_of(layout: Any, title: str) -> str:
    """Return a page as one text, with Bokeh's scripts in it.

    Parameters
    ----------
    layout : bokeh.models.Column
    title : str
        Which the browser shows.
    """
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    return str(file_html(layout, INLINE, title=title, template=PAGE))
