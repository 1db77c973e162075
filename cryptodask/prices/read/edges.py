"""Whether the stamps of a file are the opens or closes of bars, by where they lie in them.

Collectors write the close of a day at 00:00:05 or at 23:59:45. A stamp near the edge of a bar is on
that edge where most stamps of its file are; this is decided once, from all stamps of a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cryptodask.prices.freq import FREQS, bar, bars
from cryptodask.prices.read.options import LAYOUT_STAMPS, LAYOUTS, ReadOptions
from cryptodask.prices.read.stamps import StampRule, clocks_of, parse_epochs

_MOST = 0.5  # of the stamps of a file that must be near edges

_DAY = 86_400


@dataclass(frozen=True)
class Edges:
    """Where the stamps of a file lie about the edges of its bars.

    Attributes
    ----------
    timed : int
        Number of different stamps that have a time.
    near : int
        Of those, number within the tolerance of an edge.
    before, after : int
        Of those near, number that lie before or after the edge, and not on it.
    farthest : float
        Seconds from an edge of the one that is farthest from it, of those near.
    """

    timed: int = 0
    near: int = 0
    before: int = 0
    after: int = 0
    farthest: float = 0.0

    @property
    def are_edges(self) -> bool:
        """Whether the stamps of the file are meant to be on edges."""
        return self.near > _MOST * self.timed or (self.timed > 0 and self.near == self.timed)


def survey_edges(stamps: Sequence[str], rule: StampRule, step: int, tolerance: float) -> Edges:
    """Return where stamps lie about the edges of bars.

    Parameters
    ----------
    stamps : sequence of str, ``(n,)``
        All of a file.
    rule : StampRule
        How they are written.
    step : int
        Seconds of a bar.
    tolerance : float
        Seconds.
    """
    if not rule.epoch and ":" not in "\n".join(stamps):
        return Edges()
    texts = pd.Series(list(dict.fromkeys(stamp.strip() for stamp in stamps)), dtype="str")
    seconds = parse_epochs(texts)[0] if rule.epoch else clocks_of(texts)
    seconds = seconds[~np.isnan(seconds)]
    off = seconds - np.round(seconds / step) * step
    near = off[np.abs(off) <= tolerance]
    return Edges(
        timed=len(seconds),
        near=len(near),
        before=int((near < 0).sum()),
        after=int((near > 0).sum()),
        farthest=float(np.abs(near).max()) if len(near) else 0.0,
    )


def settle_rule(
    rule: StampRule, edges: Edges, step: int, freq: str, options: ReadOptions, *, is_named: bool
) -> tuple[StampRule, list[str]]:
    """Return what the stamps of a file mean, and what is to be said of it.

    Parameters
    ----------
    rule : StampRule
        As the layout has it.
    edges : Edges
        Of the file's stamps.
    step : int
        Seconds of a bar.
    freq : str
        Its name.
    options : ReadOptions
    is_named : bool
        Whether the header names the stamps as opens or closes.
    """
    if edges.timed == 0:
        return rule, []
    notes = []
    tolerance = options.tolerance_for(step)
    stamp = {"open": "open", "close": "instant"}.get(options.stamps or "", "")
    if stamp:
        notes.append(f"stamps are {options.stamps}s, as the option says")
    elif not is_named and (stamp := _by_place(rule, edges, step)):
        notes.append(
            "stamps lie before the edges of bars, so they are closes; if they are opens, give "
            "--stamps open"
            if stamp == "instant"
            else "stamps lie about the edges of bars, so they are opens; if they are closes, give "
            "--stamps close"
        )
    elif not (is_named or edges.before == edges.timed):
        notes.append(_what_was_taken(rule.stamp, freq))
    settled = replace(rule, stamp=stamp or rule.stamp)
    as_written = settled.stamp == "day" and step == _DAY
    if as_written or not edges.are_edges or tolerance == 0:
        return settled, notes
    if moved := edges.before + edges.after:
        notes.append(
            f"{moved:,} of {edges.timed:,} stamps are up to {np.ceil(edges.farthest):,.0f} s off "
            f"the edges of {bars(freq)} and count as on them (--stamp-tolerance)"
        )
    return replace(settled, tolerance=tolerance), notes


def meaning(layout: str, stamp: str, freq: str) -> str:
    """Return what the date of a file means, as reports have it.

    Parameters
    ----------
    layout : str
        One of `LAYOUTS`.
    stamp : str
        What its stamps are.
    freq : str
        Of its bars.
    """
    if stamp == LAYOUT_STAMPS[layout] and FREQS[freq] == _DAY:
        return LAYOUTS[layout]
    if stamp == "day":
        return f"the {bar(freq)} that opens at the moment as written"
    if stamp == "instant":
        return f"stamped at the close; the {bar(freq)} that ends then, or in which the stamp lies"
    return f"stamped at the open; the {bar(freq)} that opens then, or next after the stamp"


def _by_place(rule: StampRule, edges: Edges, step: int) -> str:
    """Return what stamps are that lie about edges in a way that decides it; empty where none does.

    Only a close is stamped before the edge of its bar, by those who do it always.
    """
    if not edges.are_edges or not edges.before:
        return ""
    if rule.stamp == "day" and step == _DAY:
        # The day as written is right while all lie on one side of midnight.
        is_mixed = edges.before < edges.near and not rule.offset
        if not is_mixed:
            return ""
        return "instant" if 2 * edges.before > edges.near else "open"
    is_before = edges.before == edges.near == edges.timed
    return "instant" if is_before and rule.stamp != "instant" else ""


def _what_was_taken(stamp: str, freq: str) -> str:
    """Return what stamps with a time were taken for, and how to say that they are not."""
    if stamp == "instant":
        return f"stamps are closes of {bars(freq)}; if they are opens, give --stamps open"
    if stamp == "open" or FREQS[freq] < _DAY:
        return f"stamps are opens of {bars(freq)}; if they are closes, give --stamps close"
    return (
        "stamps are of the day as written; if they are the moments at which days open or close, "
        "give --stamps open or --stamps close"
    )
