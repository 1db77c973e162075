"""``cryptodask prices fetch``: poll an exchange for prices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from cryptodask.cli.prices.options import CorrectionsOption, PolicyOption, read_policies
from cryptodask.cli.prices.report import print_findings
from cryptodask.cli.show import err, out
from cryptodask.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices.exchange.fetch import Fetched


def fetch(
    table: Annotated[Path, typer.Option("--out", help="Table to make or to add to.")],
    since: Annotated[str, typer.Option(help="First day of new coins, YYYY-MM-DD.")],
    exchange: Annotated[str, typer.Option(help="Exchange, by its name in ccxt.")] = "binance",
    quote: Annotated[str, typer.Option(help="Quote currency.")] = "USDT",
    top: Annotated[
        int | None, typer.Option(help="Number of coins, by 24-hour volume; by default 100.")
    ] = None,
    coins: Annotated[
        list[str] | None, typer.Option(help="Coin to fetch; repeat it for more.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Last day, YYYY-MM-DD; by default yesterday.")
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(help="Address of a server that speaks the exchange's API.")
    ] = None,
    retries: Annotated[int, typer.Option(help="Retries of a request that fails.")] = 5,
    corrections: CorrectionsOption = "replace",
    freq: Annotated[
        str | None,
        typer.Option(help="Length of a bar: 1h, 4h or 1d; by default that of the table, or 1d."),
    ] = None,
    policy: PolicyOption = None,
) -> None:
    """Fetch prices from an exchange; coins of the table continue after their last bar."""
    from cryptodask.errors import ExchangeError
    from cryptodask.prices.clean.findings import join_findings, summarize_findings
    from cryptodask.prices.exchange.fetch import iter_prices
    from cryptodask.prices.freq import bars

    already, freq, policies = _known(table, freq, read_policies(policy))
    tables: list[pd.DataFrame] = []
    counts = {"coins": 0, "rows": 0}
    try:
        for fetched in iter_prices(
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
            # Each coin is kept as it comes, so that the next fetch continues where this one ends.
            _keep(table, fetched, corrections, freq, policies)
            tables.append(fetched.findings)
            counts["coins"] += bool(len(fetched.prices))
            counts["rows"] += len(fetched.prices)
            err.print(Text(f"{fetched.coin}: {len(fetched.prices):,} {bars(freq)}"))
    except (ExchangeError, KeyboardInterrupt) as error:
        out.print(f"{counts['rows']:,} new {bars(freq)} of {counts['coins']:,} coins were kept")
        if isinstance(error, ExchangeError):
            raise
        raise typer.Exit(130) from None
    out.print(f"{counts['rows']:,} new {bars(freq)} of {counts['coins']:,} coins", highlight=False)
    every = join_findings(tables)
    raise typer.Exit(print_findings(summarize_findings(every), every))


def _known(
    table: Path, freq: str | None, policies: dict[str, str]
) -> "tuple[dict[str, Any], str, dict[str, str]]":
    """Return the last bar of each coin of a table, if there is one, its frequency and policies."""
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
    table: Path, fetched: "Fetched", corrections: str, freq: str, policies: dict[str, str]
) -> None:
    """Append the rows of a coin to a table, or make it of them."""
    from cryptodask.prices import PriceTable, write_table
    from cryptodask.prices.clean.findings import empty_findings
    from cryptodask.prices.reading import Reading
    from cryptodask.prices.table.manifest import is_table

    if fetched.prices.empty:
        return
    reading = Reading(fetched.prices, fetched.findings)
    if is_table(table):
        PriceTable(table).append_reading(
            reading,
            corrections=corrections,  # type: ignore[arg-type]
            policies=policies,
        )
        return
    notes = empty_findings()
    write_table(table, [reading], empty={}, notes=notes, freq=freq, policies=policies)
