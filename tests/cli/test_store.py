"""Tables of a store, as a terminal of 80 columns shows them."""

from pathlib import Path

import pandas as pd
import pytest

from cryptodask.store import Judgement, Request, open_store
from cryptodask.store.records import Books, Settled
from cryptodask.trading.brokers.paper import settle
from cryptodask.trading.terms import Costs, Lots
from tests.runs.commands import inside

COINS = ("Counterparty", "Ethereum Classic", "Mooncoin")
DAYS = ("2026-01-10", "2026-01-11")


@pytest.fixture
def traded(tmp_path: Path) -> Path:
    """A store with an account that bought coins at prices of many digits."""
    rows = [(coin, day, 4.2021e-05, 4.2021e-05, 1e9) for coin in COINS for day in DAYS]
    bars = pd.DataFrame(rows, columns=["coin", "date", "open", "close", "volume"])
    bars = bars.assign(date=bars["date"].astype("datetime64[s]"))
    with open_store(tmp_path / "store.db") as store:
        for coin in COINS:
            about = Judgement(
                run_key="r", rule="r", coin=coin, model="m", action="request", seen={}
            )
            store.add_requests([Request(judgement=about, cutoff=DAYS[0], side="buy", weight=0.123)])
        for day in DAYS:

            def settled(books: Books, day: str = day) -> Settled:
                costs = Costs(fee=0.001, slippage=0.0005)
                return settle(books, bars[bars["date"] <= day], day, costs, Lots(), 1)

            store.trade("paper", 1_000.0, day, settled, DAYS[0])
    return tmp_path / "store.db"


@pytest.mark.parametrize("what", ["orders", "fills", "accounts", "requests", "alerts"])
def test_a_table_fits_80_columns_and_cuts_no_day(what: str, traded: Path) -> None:
    *lines, more = inside("store", what, "--store", traded, columns=80).out.splitlines()
    assert what == "alerts" or more.startswith("also there: ")  # which a terminal breaks
    assert max(map(len, lines), default=0) <= 80
    if what in ("orders", "fills"):
        assert sum(DAYS[what == "fills"] in line for line in lines) == len(COINS)
        # What paper leaves empty takes no room.
        assert "reaso" not in lines[0]
    elif what == "alerts":
        assert more == "no rows"
    else:
        assert len(lines) > 2
