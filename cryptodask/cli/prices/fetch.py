"""``cryptodask prices fetch``: poll an exchange for prices."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.text import Text

from cryptodask.cli.options import with_options
from cryptodask.cli.prices.options import CorrectionsOption, PolicyOption, read_policies
from cryptodask.cli.prices.report import all_by, print_findings
from cryptodask.cli.show import counted, err, out
from cryptodask.errors import OptionError
from cryptodask.runs.fields import option

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices.exchange.fetch import Fetched


@attrs.frozen(kw_only=True)
class FetchOptions:
    """What to fetch; see `cryptodask.prices.exchange.fetch.iter_prices`.

    Attributes
    ----------
    since, until : str
        First and last day.
    exchange : str
    quote : str
    top : int or None
        Number of coins, by volume.
    symbols : sequence of str or None
    api_url : str or None
    retries : int
    """

    since: str = option(attrs.NOTHING, "First day of new coins, YYYY-MM-DD.")
    exchange: str = option("binance", "Exchange, by its name in ccxt.")
    quote: str = option("USDT", "Quote currency.")
    top: int | None = option(None, "Number of coins, by 24-hour volume; by default 100.")
    symbols: Sequence[str] | None = option(
        None, "Coin to fetch; repeat it for more.", flag="--coins", reads=list[str] | None
    )
    until: str | None = option(None, "Last day, YYYY-MM-DD; by default yesterday.")
    api_url: str | None = option(None, "Address of a server that speaks the exchange's API.")
    retries: int = option(5, "Retries of a request that fails.")


@attrs.define
class _Kept:
    """Coins and rows that were kept so far, and what was found in them."""

    coins: int = 0
    rows: int = 0
    findings: "list[pd.DataFrame]" = attrs.field(factory=list)

    def add(self, fetched: "Fetched") -> None:
        """Count one coin."""
        self.coins += bool(len(fetched.prices))
        self.rows += len(fetched.prices)
        self.findings.append(fetched.findings)

    def summary(self, freq: str) -> str:
        """Return how many bars of how many coins there are."""
        from cryptodask.prices.freq import counted_bars

        return f"{counted_bars(self.rows, freq, 'new')} of {counted(self.coins, 'coin')}"


@with_options
def fetch(
    request: FetchOptions,
    table: Annotated[Path, typer.Option("--out", help="Table to make or to add to.")],
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
    from cryptodask.prices.freq import counted_bars

    already, freq, policies = _known(table, freq, read_policies(policy))
    fields, kept = attrs.asdict(request), _Kept()
    try:
        for fetched in iter_prices(**fields, freq=freq, already=already, policies=policies):
            # Each coin is kept as it comes, so that the next fetch continues where this one ends.
            _keep(table, fetched, corrections, freq, policies)
            kept.add(fetched)
            err.print(Text(f"{fetched.coin}: {counted_bars(len(fetched.prices), freq)}"))
    except (ExchangeError, KeyboardInterrupt) as error:
        out.print(f"{kept.summary(freq)} kept", highlight=False)
        if isinstance(error, ExchangeError):
            raise
        raise typer.Exit(130) from None
    out.print(kept.summary(freq), highlight=False)
    findings = join_findings(kept.findings)
    raise typer.Exit(print_findings(summarize_findings(findings), findings, all_by(table)))


def _known(
    table: Path, freq: str | None, policies: dict[str, str]
) -> "tuple[dict[str, Any], str, dict[str, str]]":
    """Return the last bar of each coin of a table, if there is one, its frequency and policies."""
    from cryptodask.prices import PriceTable
    from cryptodask.prices.freq import DAILY, check_freq, long_bars
    from cryptodask.prices.table.manifest import is_table

    if freq is not None:
        check_freq(freq)
    if not is_table(table):
        return {}, freq or DAILY, policies
    place = PriceTable(table)
    if freq not in (None, place.freq):
        raise OptionError(f"--freq {freq}: {table} has {long_bars(place.freq)}; name another")
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
    reading = Reading(fetched.prices, fetched.findings, changed=fetched.changed)
    if is_table(table):
        PriceTable(table).append_reading(
            reading,
            corrections=corrections,  # type: ignore[arg-type]
            policies=policies,
        )
        return
    notes = empty_findings()
    write_table(table, [reading], empty={}, notes=notes, freq=freq, policies=policies)
