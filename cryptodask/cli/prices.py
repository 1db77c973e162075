"""``cryptodask prices``: files and exchanges to a table, and what was found on the way."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cryptodask.cli.options import Tls, read_tls
from cryptodask.cli.show import SOME_FAILED, err, out, print_lost
from cryptodask.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices import PriceTable, ReadOptions
    from cryptodask.prices.exchange.fetch import Fetched
    from cryptodask.prices.table.growth import AppendResult

prices_app = typer.Typer(
    help="Bring prices from files and exchanges into a table, and check it.", no_args_is_help=True
)

DayFirst = Annotated[
    bool | None,
    typer.Option(
        "--dayfirst/--monthfirst", help="How to read 09/10/2017 where a file does not decide it."
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="A column by its header, as close=Last; also coin=..."),
]
Layout = Annotated[str | None, typer.Option(help="Read every file in this layout.")]
Freq = Annotated[
    str | None, typer.Option(help="How long a bar lasts: 1h, 4h or 1d. [as in the files]")
]
Policy = Annotated[
    list[str] | None,
    typer.Option(
        help="What to do about a kind of finding, as stale_run=drop; `prices policies` lists them."
    ),
]
Corrections = Annotated[
    str, typer.Option(help="Rows that differ from the table's: replace, keep or fail.")
]


@prices_app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="A folder of price files, one a coin.")],
    table: Annotated[Path, typer.Option("--out", help="Folder of the table to write.")],
    partitions: Annotated[int | None, typer.Option(help="Into how many parts.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a table that is there.")] = False,
    dayfirst: DayFirst = None,
    column: Columns = None,
    layout: Layout = None,
    freq: Freq = None,
    policy: Policy = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Read on this cluster, as tcp://host:8786.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Read on a local cluster of so many processes.")
    ] = None,
    tls: Tls = None,
) -> None:
    """Read a folder of price files, write them as one table, and report what was found."""
    from cryptodask.cluster import connect, ordered_map
    from cryptodask.prices import import_prices

    options = _read_options(dayfirst, column, layout, freq, _policies(policy))
    read = partial(
        import_prices, folder, table, partitions=partitions, overwrite=overwrite, options=options
    )
    if scheduler or tls or workers is not None:
        with connect(scheduler, workers, read_tls(tls)) as client:
            made = read(run=partial(ordered_map, client))
    else:
        made = read()
    _report(made)


@prices_app.command()
def append(
    table: Annotated[Path, typer.Argument(help="Folder of the table.")],
    files: Annotated[list[Path], typer.Argument(help="Files of prices, or folders of them.")],
    corrections: Corrections = "replace",
    dayfirst: DayFirst = None,
    column: Columns = None,
    layout: Layout = None,
    policy: Policy = None,
) -> None:
    """Add new days, new coins and corrections from files to a table, by its policies."""
    from cryptodask.prices import PriceTable, read_files
    from cryptodask.prices.clean.findings import summarize_findings
    from cryptodask.prices.clean.policies import without_gaps

    place = PriceTable(table)
    policies = place.policies | _policies(policy)
    # Whether there is a gap, the table has a say in.
    options = _read_options(dayfirst, column, layout, place.freq, without_gaps(policies))
    result = place.append_reading(
        read_files(files, options),
        corrections=corrections,  # type: ignore[arg-type]
        policies=policies,
    )
    _print_append(result)
    raise typer.Exit(_print_findings(summarize_findings(result.findings), result.findings))


@prices_app.command()
def compact(
    table: Annotated[Path, typer.Argument(help="Folder of the table.")],
    partitions: Annotated[int | None, typer.Option(help="Into how many parts.")] = None,
) -> None:
    """Pack a table that grew by many appends anew, so that reading it is fast again."""
    from cryptodask.prices import PriceTable

    place = PriceTable(table)
    place.compact(partitions)
    parts = len(place.manifest["parts"])
    out.print(f"{len(place):,} rows in {parts} parts, generation {place.generation}")


@prices_app.command()
def fetch(
    table: Annotated[Path, typer.Option("--out", help="Folder of the table; made or added to.")],
    since: Annotated[str, typer.Option(help="First day, YYYY-MM-DD, of coins that are new.")],
    exchange: Annotated[str, typer.Option(help="Name that ccxt has for it.")] = "binance",
    quote: Annotated[str, typer.Option(help="Currency of the prices.")] = "USDT",
    top: Annotated[int | None, typer.Option(help="So many coins of the largest volume.")] = None,
    coins: Annotated[list[str] | None, typer.Option(help="Coins by name.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day. [yesterday]")] = None,
    api_url: Annotated[
        str | None, typer.Option(help="Address of a server that speaks the exchange's API.")
    ] = None,
    retries: Annotated[int, typer.Option(help="How often a request is sent again.")] = 5,
    corrections: Corrections = "replace",
    freq: Annotated[str | None, typer.Option(help="1h, 4h or 1d. [as in the table, or 1d]")] = None,
    policy: Policy = None,
) -> None:
    """Poll an exchange for prices; coins of the table go on where they stopped."""
    from cryptodask.errors import ExchangeError
    from cryptodask.prices.clean.findings import join_findings, summarize_findings
    from cryptodask.prices.exchange.fetch import iter_prices
    from cryptodask.prices.freq import bars

    already, freq, policies = _known(table, freq, _policies(policy))
    found: list[pd.DataFrame] = []
    counts = {"coins": 0, "rows": 0}
    try:
        for one in iter_prices(
            exchange,
            since=since,
            until=until,
            quote=quote,
            top=top,
            symbols=coins,
            freq=freq,
            already=already,
            api_url=api_url,
            retries=retries,
            policies=policies,
        ):
            # Each coin is kept as it comes, so that a run that is stopped goes on from there.
            _keep(table, one, corrections, freq, policies)
            found.append(one.findings)
            counts["coins"] += bool(len(one.prices))
            counts["rows"] += len(one.prices)
            err.print(Text(f"{one.coin}: {len(one.prices):,} {bars(freq)}"))
    except (ExchangeError, KeyboardInterrupt) as error:
        out.print(f"{counts['rows']:,} new {bars(freq)} of {counts['coins']:,} coins were kept")
        if isinstance(error, ExchangeError):
            raise
        raise typer.Exit(130) from None
    out.print(f"{counts['rows']:,} new {bars(freq)} of {counts['coins']:,} coins", highlight=False)
    every = join_findings(found)
    raise typer.Exit(_print_findings(summarize_findings(every), every))


@prices_app.command()
def check(
    table: Annotated[Path, typer.Argument(help="Folder of the table.")],
    html: Annotated[Path | None, typer.Option(help="Write the report as a page, too.")] = None,
) -> None:
    """Repeat the report of what was found in a table's files."""
    from cryptodask.prices import PriceTable

    if html and (html.suffix != ".html" or not html.parent.is_dir()):
        raise OptionError(f"--html {html}: must end in .html, in a folder that is there")
    place = PriceTable(table)
    if html:
        _write_report(place, html)
        out.print(Text(f"wrote {html}"), soft_wrap=True)
    _report(place)


@prices_app.command()
def policies() -> None:
    """List the kinds of finding and what can be done about each."""
    from cryptodask.prices.clean.findings import ACTIONS, FINDING_KINDS

    table = Table("finding", "what it is", "what can be done, the default first")
    for name, kind in FINDING_KINDS.items():
        if kind.actions:
            lines = (f"{action}: {ACTIONS[action]}" for action in kind.actions)
            table.add_row(name, kind.meaning, "\n".join(lines))
    out.print(table)


def _read_options(
    day_first: bool | None,
    columns: list[str] | None,
    layout: str | None,
    freq: str | None,
    policies: dict[str, str],
) -> "ReadOptions":
    """Return what was said of the files."""
    from cryptodask.prices import ReadOptions

    named = _pairs("--column", columns, "COLUMN=HEADER, such as close=Last")
    return ReadOptions(day_first, named, layout, freq, policies)


def _policies(given: list[str] | None) -> dict[str, str]:
    """Return the policies that were given, of kinds and actions that are known."""
    from cryptodask.prices.clean.policies import check_policies

    chosen = _pairs("--policy", given, "KIND=ACTION, such as stale_run=drop")
    check_policies(chosen)
    return chosen


def _pairs(option: str, texts: list[str] | None, form: str) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"{option} {text!r}: write it as {form}")
        pairs[name.strip()] = value.strip()
    return pairs


def _known(
    table: Path, freq: str | None, policies: dict[str, str]
) -> "tuple[dict[str, Any], str, dict[str, str]]":
    """Return the last bar of each coin of a table, if there is one, and how to go on with it."""
    from cryptodask.prices import PriceTable
    from cryptodask.prices.freq import DAILY, check_freq
    from cryptodask.prices.table.manifest import is_table

    if freq is not None:
        check_freq(freq)
    if not is_table(table):
        return {}, freq or DAILY, policies
    place = PriceTable(table)
    if freq not in (None, place.freq):
        raise OptionError(f"--freq {freq}: the bars of {table} last {place.freq}; name another")
    last = dict(zip(place.index["coin"], place.index["last"], strict=True))
    return last, place.freq, place.policies | policies


def _keep(
    table: Path, one: "Fetched", corrections: str, freq: str, policies: dict[str, str]
) -> None:
    """Append the rows of a coin to a table, or make it of them."""
    from cryptodask.prices import PriceTable, write_table
    from cryptodask.prices.clean.findings import empty_findings
    from cryptodask.prices.reading import Reading
    from cryptodask.prices.table.manifest import is_table

    if one.prices.empty:
        return
    reading = Reading(one.prices, one.findings)
    if is_table(table):
        PriceTable(table).append_reading(
            reading,
            corrections=corrections,  # type: ignore[arg-type]
            policies=policies,
        )
        return
    notes = empty_findings()
    write_table(table, [reading], empty={}, notes=notes, freq=freq, policies=policies)


def _print_append(result: "AppendResult") -> None:
    """Print what an append did."""
    out.print(
        f"{result.new_rows:,} new rows, {result.corrected_rows:,} corrected, "
        f"{result.kept_rows:,} differ and were left out, {result.unchanged_rows:,} were there; "
        f"{len(result.new_coins):,} new coins; generation {result.generation}",
        highlight=False,
    )


def _write_report(table: "PriceTable", path: Path) -> None:
    """Write a table's coverage and findings as a page."""
    import pandas as pd

    from cryptodask.dashboard.coverage import MOST_FINDINGS, measure_coverage, save_report
    from cryptodask.prices.clean.findings import LOSING_KINDS, lost

    summary = table.count_findings()
    # The rare kinds first, since thousands of missing values would hide them; and no more kinds
    # than there is room for.
    counts = summary.groupby("kind")["count"].sum().sort_values(kind="stable")
    some = counts[counts.cumsum() - counts < MOST_FINDINGS]
    found = table.findings(some.index)
    rank = found["kind"].map({kind: i for i, kind in enumerate(some.index)})
    found = found.iloc[rank.argsort(kind="stable")]
    losses = lost(table.findings(LOSING_KINDS))
    order = table.index.sort_values(["first", "coin"])["coin"].tolist()
    frames = (partition.read() for partition in table.partitions(table.coins))
    first, last = table.index["first"].min(), table.index["last"].max()
    save_report(
        path,
        measure_coverage(frames, order, first, last, table.freq),
        summary,
        pd.concat([losses, found]).drop_duplicates(),
        _summary(table),
    )


def _summary(table: "PriceTable") -> str:
    from cryptodask.prices.freq import DAILY

    notes = [f"bars of {table.freq}"] if table.freq != DAILY else []
    notes += [f"{kind}: {action}" for kind, action in table.policies.items()]
    return "; ".join(
        [
            f"{len(table):,} rows, {len(table.coins):,} coins, {len(table.manifest['parts'])} "
            f"parts, {table.index['first'].min():%Y-%m-%d} to {table.index['last'].max():%Y-%m-%d}",
            *notes,
        ]
    )


def _report(table: "PriceTable") -> None:
    """Print what is in a table and what was found in its files."""
    from cryptodask.prices.clean.findings import LOSING_KINDS

    out.print(_summary(table), highlight=False)
    listed = table.findings([*LOSING_KINDS, "layout", "not_a_price_file"])
    raise typer.Exit(_print_findings(table.count_findings(), listed))


def _print_findings(summary: "pd.DataFrame", found: "pd.DataFrame") -> int:
    """Print findings by kind, and a line for each that cost rows; return the exit code.

    Of ``found`` those of files as a whole and those that cost rows are needed.
    """
    from cryptodask.prices.clean.findings import lost

    counts = Table("finding", "count", "coins", "what it is", "what was done")
    for row in summary.to_dict("records"):
        numbers = f"{row['count']:,}", f"{row['coins']:,}"
        counts.add_row(row["kind"], *numbers, row["meaning"], row["done"])
    out.print(counts if counts.row_count else "no findings")
    layouts = found[found["kind"] == "layout"]["message"].value_counts()
    for layout, files in layouts.items():
        out.print(Text(f"{files:,} files: {layout}"), soft_wrap=True)
    others = found[found["kind"] == "not_a_price_file"]
    for file, message in zip(others["file"], others["message"], strict=True):
        out.print(Text(f"left out: {file}: {message}"), soft_wrap=True)
    left_out = lost(found)
    print_lost(left_out, out)
    return SOME_FAILED if len(left_out) else 0
