"""The parts in which a viewer chooses: a box to find coins, lists, buttons to step through them."""

from collections.abc import Callable, Sequence
from typing import Any

from cryptodask.dashboard.style import WRAP

FIND = """
const query = cb_obj.value_input.trim().toLowerCase()
const matches = coins.filter((coin) => coin.toLowerCase().includes(query))
const rank = (coin) => coin.toLowerCase().startsWith(query) ? 0 : 1
if (query != "") matches.sort((a, b) => rank(a) - rank(b))
select.options = matches
select.title = matches.length == coins.length ? `Coin (${coins.length})`
  : `Coin (${matches.length} of ${coins.length})`
if (matches.length > 0 && (query != "" || !matches.includes(select.value)))
  select.value = matches[0]
"""

STEP = """
const {options, value} = select
const n = options.length
if (n > 0) select.value = options[(options.indexOf(value) + step + n) % n]
"""


def find_box() -> Any:
    """Return the field for a part of a coin's name, a ``TextInput``."""
    from bokeh.models import TextInput

    return TextInput(name="find", title="Find", placeholder="Part of a name", width=150)


def coin_list(title: str, coins: Sequence[str] = (), coin: str = "") -> Any:
    """Return the list of coins to choose from.

    Parameters
    ----------
    title : str
    coins : sequence of str, ``(n_coins,)``
    coin : str
        The one that is chosen.

    Returns
    -------
    bokeh.models.Select
    """
    from bokeh.models import Select

    return Select(name="coin", title=title, options=list(coins), value=coin, width=210)


def coin_chooser(coins: Sequence[str], coin: str) -> tuple[Any, list[Any]]:
    """Return the list of coins and all parts to choose in, which work in the browser alone.

    Parameters
    ----------
    coins : sequence of str, ``(n_coins,)``
    coin : str
        The one that is chosen.

    Returns
    -------
    bokeh.models.Select
    list of bokeh models
        Box to find a coin, the list, and a row of buttons.
    """
    from bokeh.models import CustomJS

    find, select = find_box(), coin_list(f"Coin ({len(coins)})", coins, coin)
    args = {"coins": list(coins), "select": select}
    find.js_on_change("value_input", CustomJS(args=args, code=FIND))
    return select, [find, select, list_buttons(select)]


def step_buttons(bind: Callable[[Any, int], None]) -> Any:
    """Return two buttons, for the option before and the one after, that stay beside each other.

    Parameters
    ----------
    bind : callable
        Is given each button and its step, -1 or 1, and says what a click does.

    Returns
    -------
    bokeh.models.Row
    """
    from bokeh.layouts import row
    from bokeh.models import Button

    buttons = []
    for label, step in (("‹ Prev", -1), ("Next ›", 1)):
        button = Button(label=label, width=68, height=33, align="end")
        bind(button, step)
        buttons.append(button)
    return row(*buttons, align="end")


def list_buttons(select: Any) -> Any:
    """Return two buttons that step through a list, in the browser alone.

    Parameters
    ----------
    select : bokeh.models.Select

    Returns
    -------
    bokeh.models.Row
    """
    from bokeh.models import CustomJS

    def bind(button: Any, step: int) -> None:
        button.js_on_click(CustomJS(args={"select": select, "step": step}, code=STEP))

    return step_buttons(bind)


def days_chooser(labels: Sequence[str], active: int) -> Any:
    """Return the buttons that say how many days of closes are shown.

    Parameters
    ----------
    labels : sequence of str
    active : int
        Position of the one that is pressed.

    Returns
    -------
    bokeh.models.RadioButtonGroup
    """
    from bokeh.models import RadioButtonGroup

    return RadioButtonGroup(name="span", labels=list(labels), active=active, align="end", height=33)


def chooser_row(parts: Sequence[Any], space: int = 0) -> Any:
    """Return parts beside each other.

    Parameters
    ----------
    parts : sequence of bokeh models
    space : int
        Pixels below them.

    Returns
    -------
    bokeh.models.Row
    """
    from bokeh.layouts import row

    styles = WRAP | ({"margin-bottom": f"{space}px"} if space else {})
    return row(*parts, name="chooser", sizing_mode="stretch_width", styles=styles)
