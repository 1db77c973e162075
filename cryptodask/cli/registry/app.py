"""``cryptodask registry``: show versions of models, and change what is used."""

from typing import TYPE_CHECKING, Annotated

import attrs
import typer
from rich.text import Text

from cryptodask.cli.options.help import Commands
from cryptodask.cli.registry.export import export
from cryptodask.cli.registry.score import score
from cryptodask.cli.registry.shown import (
    print_comparison,
    print_facts,
    print_gates,
    print_json,
    print_log,
    print_names,
    print_removals,
    print_versions,
)
from cryptodask.cli.registry.words import Json, Place, Reason, Which
from cryptodask.cli.show import out

if TYPE_CHECKING:
    from cryptodask.registry import Registry

registry_app = Commands(
    help="Show versions of trained models, and choose which of them is used.",
)
registry_app.command()(score)
registry_app.command()(export)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of a model in the registry.")]


def open_registry(path: str) -> "Registry":
    """Return the registry that an option names."""
    from cryptodask.registry import Registry

    return Registry(path)


@registry_app.command(name="list")
def list_command(
    registry: Place,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model, to list its versions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the models of a registry, or the versions of a model, unfinished ones, too.

    For example:

        cryptodask registry list --registry registry

        cryptodask registry list ridge --registry registry
    """
    there = open_registry(registry)
    if name is not None:
        entries = there.versions(name)
        if as_json:
            print_json([entry.summary() for entry in entries])
            return
        print_versions([(e, there.score(e) if e.manifest else None) for e in entries])
        return
    rows = [(name, len(there.versions(name)), there.state(name).aliases) for name in there.names()]
    if as_json:
        keys = ("name", "versions", "aliases")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    print_names(rows, str(there.path))


@registry_app.command()
def show(reference: Which, registry: Place, as_json: Json = False) -> None:
    """Show what is known of a version: its facts, score, and changes.

    For example:

        cryptodask registry show ridge:1 --registry registry
    """
    there = open_registry(registry)
    entry = there.entry(reference)
    known = there.score(entry) if entry.manifest else None
    log = [change for change in there.log(entry.name) if change.version == entry.number]
    if as_json:
        scored = None if known is None else known.summary()
        print_json(entry.summary() | {"score": scored, "log": [attrs.asdict(c) for c in log]})
        return
    print_facts(entry, known, log)


@registry_app.command()
def compare(
    first: Which,
    second: Annotated[str, typer.Argument(metavar="VERSION", help="The other one.")],
    registry: Place,
    as_json: Json = False,
) -> None:
    """Show two versions side by side, and whether one is significantly better.

    For example:

        cryptodask registry compare ridge:1 ridge:2 --registry registry
    """
    comparison = open_registry(registry).compare(first, second)
    if as_json:
        print_json(comparison.summary())
        return
    print_comparison(comparison)


@registry_app.command()
def promote(
    reference: Which,
    registry: Place,
    to: Annotated[str, typer.Option(help="The alias to move: champion, staging or another.")] = (
        "champion"
    ),
    reason: Reason = "",
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Set a gate: skill=P, origins=N, coverage=LEAST:MOST, coins=SHARE, "
            "training_age=DAYS, prices_age=DAYS (before the champion's), or age=DAYS for both; may "
            "be given several times.",
        ),
    ] = None,
    no_gate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Switch a gate off; may be given several times."),
    ] = None,
    force: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote it although gates fail, and log why."),
    ] = None,
    before: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER", help="Only if the alias points to this version now; 0 for none."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Move an alias to a version, by default champion, if it passes the gates.

    Other aliases than champion have no gates, unless --gate or --no-gate is given.

    For example:

        cryptodask registry promote ridge:2 --registry registry --reason better

        cryptodask registry promote ridge:2 --registry registry --gate origins=12
    """
    from cryptodask.registry import Gates

    gates = Gates.of(gate or [], no_gate or []) if gate or no_gate else None
    there = open_registry(registry)
    entry = there.entry(reference)
    results = there.promote(reference, to, reason=reason, gates=gates, force=force, before=before)
    if as_json:
        print_json(
            {"version": str(entry), "alias": to, "gates": [attrs.asdict(r) for r in results]}
        )
        return
    print_gates(results)
    out.print(Text(f"{entry} is {entry.name}@{to} now"), soft_wrap=True)


@registry_app.command()
def rollback(name: Name, registry: Place, reason: Reason = "", as_json: Json = False) -> None:
    """Make the previous champion the champion again.

    For example:

        cryptodask registry rollback ridge --registry registry --reason 'bad data'
    """
    there = open_registry(registry)
    number = there.rollback(name, reason).number
    if as_json:
        print_json({"version": f"{name}:{number}", "alias": "champion"})
        return
    out.print(Text(f"{name}:{number} is {name}@champion now"), soft_wrap=True)


@registry_app.command()
def alias(
    reference: Annotated[
        str, typer.Argument(metavar="VERSION", help="As lstm:7; with --remove, the model: lstm.")
    ],
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Any but champion and previous.")],
    registry: Place,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the alias.")] = False,
    reason: Reason = "",
) -> None:
    """Give a version another name, or remove that name.

    For example:

        cryptodask registry alias ridge:2 staging --registry registry
    """
    there = open_registry(registry)
    if remove:
        there.remove_alias(reference, alias, reason)
        out.print(Text(f"{reference}@{alias} is removed"), soft_wrap=True)
        return
    there.set_alias(reference, alias, reason)
    entry = there.entry(reference)
    out.print(Text(f"{entry} is {entry.name}@{alias} now"), soft_wrap=True)


@registry_app.command()
def delete(reference: Which, registry: Place, reason: Reason = "") -> None:
    """Delete a version to which no alias points; its number is not used again.

    For example:

        cryptodask registry delete ridge:1 --registry registry
    """
    there = open_registry(registry)
    entry = there.entry(reference)
    there.delete(reference, reason)
    out.print(Text(f"{entry} is deleted"), soft_wrap=True)


@registry_app.command()
def gc(
    registry: Place,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model. [all]", show_default=False)
    ] = None,
    keep: Annotated[int, typer.Option(help="Keep the N newest finished versions.")] = 10,
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", help="Keep those that are trained since.")
    ] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    unlock: Annotated[
        bool,
        typer.Option(
            "--unlock", help="For a URL: remove the lock of a process killed on another machine."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove old versions without alias, and what killed processes left.

    For example:

        cryptodask registry gc --registry registry --keep 5 --dry-run
    """
    from cryptodask.registry import Rules

    there, rules = open_registry(registry), Rules(keep=keep, older_than=older_than)
    removals = [
        removal
        for each in ([name] if name is not None else there.names())
        for removal in there.gc(each, rules, dry_run=dry_run, unlock=unlock)
    ]
    if as_json:
        print_json([{"version": f"{r.name}:{r.number}", "why": r.why} for r in removals])
        return
    print_removals(removals, dry_run)


@registry_app.command()
def log(name: Name, registry: Place, as_json: Json = False) -> None:
    """Show each change: when, who, what and why.

    For example:

        cryptodask registry log ridge --registry registry
    """
    changes = open_registry(registry).log(name)
    if as_json:
        print_json([attrs.asdict(change) for change in changes])
        return
    print_log(changes)
