"""The commands of ``cryptodask prices``."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cryptodask.cli.options import Tls, check_file, read_tls
from cryptodask.cli.options.help import Commands
from cryptodask.cli.prices.fetch import fetch
from cryptodask.cli.prices.listing import list_command
from cryptodask.cli.prices.options import (
    ColumnOption,
    CorrectionsOption,
    DayFirstOption,
    FactOption,
    FindingsOption,
    FreqOption,
    LayoutOption,
    PolicyOption,
    RenameOption,
    SplitOption,
    StampsOption,
    ToleranceOption,
    options_of_table,
    read_options,
    read_policies,
)
from cryptodask.cli.prices.report import (
    print_append,
    print_ended,
    print_findings,
    print_undeclared,
    report,
    write_findings,
    write_report,
)
from cryptodask.cli.show import counted, out
from cryptodask.cli.tables import FittingTable, prose
from cryptodask.errors import OptionError

prices_app = Commands(help="Bring prices from files and exchanges into a table, and check it.")


@prices_app.command("import")
def import_command(
    source: Annotated[
        str, typer.Argument(help="Price files: a folder, a file, 'data/*.csv', or a URL of these.")
    ],
    table: Annotated[Path, typer.Option("--out", help="Table to write, a folder.")],
    partitions: Annotated[int | None, typer.Option(help="Number of parts.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing table.")] = False,
    dayfirst: DayFirstOption = None,
    column: ColumnOption = None,
    layout: LayoutOption = None,
    freq: FreqOption = None,
    stamps: StampsOption = None,
    tolerance: ToleranceOption = None,
    policy: PolicyOption = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a cluster to read on, as tcp://host:8786.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Local processes to read on.")] = None,
    tls: Tls = None,
    findings: FindingsOption = None,
    split: SplitOption = None,
    rename: RenameOption = None,
    fact: FactOption = None,
) -> None:
    """Read price files, write them as one table, and report what was found.

    For example:

        cryptodask prices import data --out my-table

        cryptodask prices import data --out my-table --policy large_move=drop
    """
    check_file("--findings", findings, (".csv", ".parquet"))
    from cryptodask.cluster import connect, ordered_map
    from cryptodask.prices import import_prices

    policies = read_policies(policy)
    options = read_options(dayfirst, column, layout, freq, policies, stamps, tolerance, fact)
    start = partial(
        import_prices,
        source,
        table,
        partitions=partitions,
        overwrite=overwrite,
        options=options,
        splits=split or (),
        renames=rename or (),
    )
    if not (scheduler or tls or workers is not None):
        report(start(), findings)
    with connect(scheduler, workers, read_tls(tls)) as client:
        imported = start(run=partial(ordered_map, client))
    report(imported, findings)


@prices_app.command()
def append(
    table: Annotated[Path, typer.Argument(help="Table, a folder.")],
    files: Annotated[
        list[str], typer.Argument(help="Price files, folders or patterns of them, or URLs.")
    ],
    corrections: CorrectionsOption = "replace",
    dayfirst: DayFirstOption = None,
    column: ColumnOption = None,
    layout: LayoutOption = None,
    stamps: StampsOption = None,
    tolerance: ToleranceOption = None,
    policy: PolicyOption = None,
    findings: FindingsOption = None,
    split: SplitOption = None,
    rename: RenameOption = None,
) -> None:
    """Add new days, new coins and corrections from files to a table.

    For example:

        cryptodask prices append my-table new-days
    """
    check_file("--findings", findings, (".csv", ".parquet"))
    from cryptodask.prices import PriceTable, read_files
    from cryptodask.prices.clean.findings import summarize_findings
    from cryptodask.prices.clean.policies import of_rows_alone

    place = PriceTable(table)
    policies = place.policies | read_policies(policy)
    # The table may have the rows that a file lacks, so it decides what is a gap.
    options = read_options(
        dayfirst, column, layout, place.freq, of_rows_alone(policies), stamps, tolerance
    )
    options = options_of_table(options, place)
    result = place.append_reading(
        read_files(files, options),
        corrections=corrections,  # type: ignore[arg-type]
        policies=policies,
        splits=split or (),
        renames=rename or (),
    )
    print_append(result)
    print_ended(place)
    code = print_findings(
        summarize_findings(result.findings),
        result.findings,
        "all of them: the option --findings FILE.csv writes them",
    )
    write_findings(result.findings, findings)
    raise typer.Exit(code)


@prices_app.command()
def compact(
    table: Annotated[Path, typer.Argument(help="Table, a folder.")],
    partitions: Annotated[int | None, typer.Option(help="Number of parts.")] = None,
) -> None:
    """Merge what was appended into the parts of a table, so that reading it is fast again.

    For example:

        cryptodask prices compact my-table
    """
    from cryptodask.prices import PriceTable

    place = PriceTable(table)
    place.compact(partitions)
    parts = len(place.manifest["parts"])
    held = f"{counted(len(place), 'row')} in {counted(parts, 'part')}"
    out.print(f"{held}, generation {place.generation}")


prices_app.command()(fetch)
prices_app.command("list")(list_command)


@prices_app.command()
def check(
    table: Annotated[Path, typer.Argument(help="Table, a folder.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the report to this .html file too.")
    ] = None,
    findings: FindingsOption = None,
) -> None:
    """Report what is in a table and what was found in its files.

    For example:

        cryptodask prices check my-table --html report.html
    """
    check_file("--findings", findings, (".csv", ".parquet"))
    from cryptodask.prices import PriceTable

    if html and (html.suffix != ".html" or not html.parent.is_dir()):
        raise OptionError(f"--html {html}: must end in .html, in a folder that is there")
    place = PriceTable(table)
    if html:
        write_report(place, html)
        out.print(Text(f"wrote {html}"), soft_wrap=True)
    print_undeclared(place)
    report(place, findings)


@prices_app.command()
def policies() -> None:
    """List the kinds of finding and what can be done about each.

    For example:

        cryptodask prices policies
    """
    from cryptodask.prices.clean.findings import ACTIONS, FINDING_KINDS

    table = FittingTable(
        "finding", prose("what it is"), prose("what can be done, the default first")
    )
    for name, kind in FINDING_KINDS.items():
        if kind.actions:
            lines = (f"{action}: {ACTIONS[action]}" for action in kind.actions)
            table.add_texts(name, kind.meaning, "\n".join(lines))
    out.print(table)
