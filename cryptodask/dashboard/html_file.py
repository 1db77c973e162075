"""Pages as HTML files that need neither server nor network."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptodask.charts.style import FONT
from cryptodask.charts.theme import LIGHT, css_color, page_style, page_theme
from cryptodask.errors import OptionError

STYLE = """
  html, body {{ height: auto; }}
  body {{ margin: 0; background: {desk}; color: {ink}; font: 14px/1.4 {font}; }}
  main {{ max-width: 1200px; margin: 20px auto; padding: 20px 24px; background: {paper};
         border: 1px solid {rule}; border-radius: 10px; box-sizing: border-box; }}
  h1 {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
  [role=status] {{ margin: 0; padding: 10px 24px; color: {warning}; background: {paper}; }}
  nav {{ display: flex; overflow-x: auto; white-space: nowrap; padding: 0 12px;
        background: {paper}; border-bottom: 1px solid {rule}; }}
  nav.navbar {{ background: {hover}; font-size: 16px; }}
  nav a {{ padding: 11px 13px; color: {ink}; text-decoration: none;
          border-bottom: 3px solid transparent; }}
  nav a:hover {{ background: {picked}; }}
  nav a[aria-current] {{ border-color: {link}; font-weight: 600; }}
  @media (max-width: 640px) {{
    main {{ margin: 0; padding: 12px; border: 0; border-radius: 0; }}
    nav {{ padding: 0; }} nav a {{ padding: 11px 10px; }} }}
"""

SCRIPT = """
let lost_since = null
const say_lost = (is_lost) => {
  const banner = document.querySelector("[role=status]")
  lost_since = is_lost ? lost_since ?? new Date() : null
  banner.hidden = !is_lost
  if (is_lost) banner.textContent = "The server has not answered since " +
    `${lost_since.toLocaleTimeString()}, and what is shown is of then. Trying again.`
}
const come_back = async () => {
  if (lost_since == null) return
  try {
    if ((await fetch(location.href, {cache: "no-store"})).ok && lost_since != null)
      return location.reload()
  } catch {}
  setTimeout(come_back, 3000)
}
const watch = () => {
  const [doc] = globalThis.Bokeh?.documents ?? []
  if (doc == null) return setTimeout(watch, 200)
  doc.on_event("connection_lost", () => {
    if (lost_since == null) setTimeout(come_back, 3000)
    say_lost(true)
  })
  doc.on_event("client_reconnected", () => say_lost(false))
}
watch()

// What has no room in its cell can be read by pointing at it.
addEventListener("mousemove", (event) => {
  const cell = event.composedPath().find((part) => part.classList?.contains("slick-cell"))
  if (cell != null) cell.title = cell.scrollWidth > cell.clientWidth ? cell.textContent : ""
})
addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll("nav [aria-current]"))
    link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.clientWidth / 2
})

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const repaint = (view) => {
    view.request_repaint?.()
    view.children_views().forEach(repaint)
  }
  for (const view of Bokeh.index) repaint(view)
})
"""
"""In the browser: says since when a server does not answer, and reloads the page once it does, if
Bokeh has not found its session by then; shows the whole text of a cell, and the links of this page;
and paints figures again in other colours."""

TEMPLATE = """\
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>@STYLE@</style>
<script>@SCRIPT@</script>
{% endblock %}
{% block inner_body %}
{% for label, links in bars %}
<nav aria-label="{{ label }}">
  {% for path, name, current in links %}
  <a href="{{ path }}"{% if current %} aria-current="{{ current }}"{% endif %}>{{ name }}</a>
  {% endfor %}
</nav>
{% endfor %}
<p role="status" hidden></p>
<main><h1>{{ title|e }}</h1>{{ super() }}</main>
{% endblock %}
"""

Links = Sequence[tuple[str, str, str]]
"""Path, name, and ``aria-current`` or "", of each link of a bar."""


def dress_document(doc: Any, title: str, bars: Sequence[tuple[str, Links]] = ()) -> None:
    """Give a document what all pages have: title, colours, and bars of links.

    Parameters
    ----------
    doc : bokeh.document.Document
    title : str
        Which the browser shows.
    bars : sequence of (str, Links)
        Label and links of each, from the top.
    """
    colors = {name: css_color(name) for name in LIGHT}
    style = page_style() + STYLE.format(font=FONT, **colors)
    doc.title = title
    doc.template = TEMPLATE.replace("@STYLE@", style).replace("@SCRIPT@", SCRIPT)
    doc.template_variables["bars"] = list(bars)
    doc.theme = page_theme()
    doc.config.notify_connection_status = False  # the page does, with the time


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
    from bokeh.document import Document
    from bokeh.resources import INLINE

    doc = Document()
    doc.add_root(layout)
    dress_document(doc, title)
    return html_of_document(doc, INLINE)


def html_of_document(doc: Any, resources: Any) -> str:
    """Return a document as a page without a session.

    Parameters
    ----------
    doc : bokeh.document.Document
        See `dress_document`.
    resources : bokeh.resources.Resources
    """
    from bokeh.embed import file_html

    # Of a document, Bokeh takes no more than the roots and, if asked, the rest.
    html = file_html(
        doc,
        resources,
        title=doc.title,
        template=doc.template,
        template_variables=doc.template_variables,
        theme=doc.theme,
    )
    return str(html)
