"""Tables of ``cryptodask registry``."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.show import out
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
    table = Table("model", "versions", "aliases", title=path)
    for name, count, aliases in rows:
        shown = ", ".join(f"{alias} {number}" for alias, number in sorted(aliases.items()))
        table.add_row(Text(name), f"{count:,}", Text(shown))
    out.print(table)


def print_versions(rows: "Sequence[tuple[Entry, Score | None]]") -> None:
    """Print the versions of a name, with their scores."""
    table = Table(
        "version", "aliases", "status", "model", "trained", "prices to", "coins", *NUMBERS.values()
    )
    for entry, score in rows:
        facts = entry.facts
        known = (
            (facts["model"]["name"], facts["trained"][:16], facts["last"], f"{facts['coins']:,}")
            if facts
            else ("", "", "", "")
        )
        values = [None if score is None else score.scores[name] for name in NUMBERS]
        cells = (str(entry), ", ".join(entry.aliases), entry.status, *known)
        table.add_row(*map(Text, cells), *map(shown_number, values))
    out.print(table)
    for entry, _ in rows:
        if entry.problem:
            out.print(Text(f"{entry}: {entry.problem}"), soft_wrap=True)


def shown_number(value: float | None) -> str:
    """Return a score as text; a dash where there is none."""
    return "-" if value is None else f"{value:.4g}"


def print_facts(entry: "Entry", score: "Score | None", log: "Sequence[Change]") -> None:
    """Print all that is known of a version."""
    table = Table("", str(entry))
    for name, value in entry.summary().items():
        if name not in ("name", "version"):
            table.add_row(name, Text(_plain(value)))
    if score is not None:
        for name, value in score.scores.items():
            table.add_row(name, shown_number(value))
        table.add_row("scored", f"{score.scored}, at {counted(len(score.origins), 'origin')}")
    out.print(table)
    print_log(log)


def print_log(log: "Sequence[Change]") -> None:
    """Print changes, the latest last."""
    table = Table("when", "who", "what", "version", "alias", "before", "reason", title="log")
    for change in log:
        failed = [gate.gate for gate in change.gates if gate.outcome == "failed"]
        reason = change.reason + (f" (failed: {', '.join(failed)})" if failed else "")
        before = "" if change.before is None else str(change.before)
        cells = (change.when, change.who, change.what, str(change.version), change.alias or "",
                 before, reason)  # fmt: skip
        table.add_row(*map(Text, cells))
    out.print(table)


def print_comparison(comparison: "Comparison") -> None:
    """Print two versions side by side, and whether one is better."""
    names = [str(entry) for entry in comparison.entries]
    table = Table("", *names)
    for name, pair in comparison.facts().items():
        style = "" if pair[0] == pair[1] else "bold"
        table.add_row(name, *(Text(_plain(value), style=style) for value in pair))
    for name in comparison.scored():
        values = [None if s is None else s.scores.get(name) for s in comparison.scores]
        table.add_row(name, *map(shown_number, values))
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


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return "" if value is None else str(value)
