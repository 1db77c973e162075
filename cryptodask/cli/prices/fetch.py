"""``cryptodask prices fetch``: poll an exchange for prices."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import typer
from rich.text import Text

from cryptodask.cli.options import with_options
from cryptodask.cli.prices.options import CorrectionsOption, PolicyOption, read_policies
from cryptodask.cli.prices.report import all_by, print_findings
from cryptodask.cli.show import counted, err, out
from cryptodask.runs.fields import option

if TYPE_CHECKING:
    import pandas as pd

    from cryptodask.prices.exchange.fetch import Fetched


def _at_commas(texts: Sequence[str] | None) -> list[str] | None:
    """Return names of coins; none on an exchange has a comma."""
    if texts is None:
        return None
    return [part.strip() for text in texts for part in text.split(",")]


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
        None,
        "Coins, separated by commas or given several times.",
        flag="--coins",
        converter=_at_commas,
        reads=list[str] | None,
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

    def add(self, fetched: "Fetched", findings: "pd.DataFrame") -> None:
        """Count one coin, with what was found in fetching and in appending it."""
        self.coins += bool(len(fetched.prices))
        self.rows += len(fetched.prices)
        self.findings.append(findings)

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
    """Fetch prices from an exchange; coins of the table continue after their last bar.

    For example:

        cryptodask prices fetch --top 20 --since 2024-01-01 --out my-table
    """
    from cryptodask.errors import ExchangeError
    from cryptodask.prices.clean.findings import join_findings, summarize_findings
    from cryptodask.prices.exchange.fetch import iter_prices
    from cryptodask.prices.freq import counted_bars
    from cryptodask.prices.polling import Growing

    growing = Growing.open(table, freq, read_policies(policy), corrections)
    freq, fields, kept = growing.freq, attrs.asdict(request), _Kept()
    fields |= {"freq": freq, "already": growing.last, "policies": growing.policies}
    try:
        for fetched in iter_prices(**fields):
            # Each coin is kept as it comes, so that the next fetch continues where this one ends.
            kept.add(fetched, growing.keep(fetched))
            err.print(Text(f"{fetched.coin}: {counted_bars(len(fetched.prices), freq)}"))
    except (ExchangeError, KeyboardInterrupt) as error:
        out.print(f"{kept.summary(freq)} kept", highlight=False)
        if isinstance(error, ExchangeError):
            raise
        raise typer.Exit(130) from None
    out.print(kept.summary(freq), highlight=False)
    findings = join_findings(kept.findings)
    raise typer.Exit(print_findings(summarize_findings(findings), findings, all_by(table)))
