"""Tables of ``cryptodask registry``."""

import json
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from cryptodask.cli.show import out, shown_size
from cryptodask.cli.tables import FittingTable, number, prose
from cryptodask.text import counted

if TYPE_CHECKING:
    from cryptodask.registry.cleaning import Removal
    from cryptodask.registry.comparing import Comparison
    from cryptodask.registry.entries import Entry
    from cryptodask.registry.gates import GateResult
    from cryptodask.registry.scores import Score
    from cryptodask.registry.state import Change

NUMBERS = {"relative_mae": "MAE / naive", "coverage_80": "in 80%"}
"""Scores that tables show, and what they call them."""


DIGITS = 16
"""Of a checksum, between spaces."""


def print_json(content: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(content, indent=1))


def print_names(rows: Sequence[tuple[str, int, dict[str, int]]], path: str) -> None:
    """Print the names of a registry.

    Parameters
    ----------
    rows : sequence of (str, int, dict of str to int)
        Name, number of versions, and aliases.
    path : str
        Of the registry.
    """
    table = FittingTable("model", number("versions"), prose("aliases"), title=path)
    for name, count, aliases in rows:
        shown = ", ".join(f"{alias} {number}" for alias, number in sorted(aliases.items()))
        table.add_texts(name, f"{count:,}", shown)
    out.print(table)


def print_versions(rows: "Sequence[tuple[Entry, Score | None]]") -> None:
    """Print the versions of a name, with their scores."""
    from cryptodask.registry.entries import FINISHED

    has_status = any(entry.status != FINISHED for entry, _ in rows)
    table = FittingTable(
        "version", prose("aliases"), *(["status"] if has_status else []),
        "trained", "prices to", *map(number, ("coins", *NUMBERS.values())),
    )  # fmt: skip
    for entry, score in rows:
        facts = entry.facts
        known = (facts["trained"][:10], facts["last"], f"{facts['coins']:,}") if facts else [""] * 3
        values = [None if score is None else score.scores[name] for name in NUMBERS]
        status = [entry.status] if has_status else []
        table.add_texts(
            str(entry), ", ".join(entry.aliases), *status, *known, *map(shown_number, values)
        )
    out.print(table)
    for entry, _ in rows:
        if entry.problem:
            out.print(Text(f"{entry}: {entry.problem}"), soft_wrap=True)


def shown_number(value: float | None) -> str:
    """Return a score as text; a dash where there is none."""
    return "-" if value is None else f"{value:.4g}"


def print_facts(entry: "Entry", score: "Score | None", log: "Sequence[Change]") -> None:
    """Print all that is known of a version."""
    table = FittingTable("", prose(str(entry)))
    for name, value in entry.summary().items():
        if name not in ("name", "version"):
            table.add_texts(name, _plain(value, name))
    if score is not None:
        for name, value in score.scores.items():
            table.add_texts(name, shown_number(value))
        table.add_texts("scored", f"{score.scored}, at {counted(len(score.origins), 'origin')}")
    out.print(table)
    print_log(log)


def print_log(log: "Sequence[Change]") -> None:
    """Print changes, the latest last."""
    columns = ("when", prose("who"), "what", number("version"), "alias", number("before"))
    table = FittingTable(*columns, prose("reason"), title="log")
    for change in log:
        failed = [gate.gate for gate in change.gates if gate.outcome == "failed"]
        reason = change.reason + (f" (failed: {', '.join(failed)})" if failed else "")
        before = "" if change.before is None else str(change.before)
        when = change.when[:16].replace("T", " ")
        cells = (when, change.who, change.what, str(change.version), change.alias or "",
                 before, reason)  # fmt: skip
        table.add_texts(*cells)
    out.print(table)


def print_comparison(comparison: "Comparison") -> None:
    """Print two versions side by side, and whether one is better."""
    names = [str(entry) for entry in comparison.entries]
    table = FittingTable("", *map(prose, names))
    for name, pair in comparison.facts().items():
        table.add_texts(name, *(_plain(value, name) for value in pair))
    for name in comparison.scored():
        values = [None if s is None else s.scores.get(name) for s in comparison.scores]
        table.add_texts(name, *map(shown_number, values))
    out.print(table)
    test = comparison.test
    if test is None:
        text = comparison.why
    else:
        text = (
            f"{names[0]} against {names[1]} on {counted(test.origins, 'origin')} and "
            f"{counted(test.coins, 'coin')} of both: p = {_p(test.p_worse)} of being worse, "
            f"{_p(test.p_better)} of being better (Diebold-Mariano, one-sided)"
        )
    out.print(Text(text), soft_wrap=True)


def _p(value: float) -> str:
    return "-" if value != value else f"{value:.3g}"


def print_gates(results: "Sequence[GateResult]") -> None:
    """Print a line a gate."""
    for result in results:
        out.print(Text(str(result)), soft_wrap=True)


def print_removals(removals: "Sequence[Removal]", dry_run: bool) -> None:
    """Print a line for each version that was removed, or would be."""
    verb = "would remove" if dry_run else "removed"
    for removal in removals:
        text = f"{verb} {removal.name}:{removal.number}: {removal.why}"
        out.print(Text(text), soft_wrap=True)
    if not removals:
        out.print("nothing to remove")


def _plain(value: Any, name: str = "") -> str:
    """Return a fact as text, with spaces at which it can be wrapped."""
    if name == "size" and isinstance(value, int):
        return shown_size(value)
    if name == "prices" and isinstance(value, str):
        return " ".join(textwrap.wrap(value, DIGITS))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        facts = {key: item for key, item in value.items() if item is not None}
        return ", ".join(
            f"{key}=({_plain(item)})" if isinstance(item, dict | list) else f"{key}={_plain(item)}"
            for key, item in facts.items()
        )
    return "" if value is None else str(value)
