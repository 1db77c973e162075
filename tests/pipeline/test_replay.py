"""Thirty days played again on an exchange that fails on some: nothing twice, nothing lost."""

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import CryptoDaskError
from cryptodask.pipeline.day import Day
from cryptodask.pipeline.polling import poll
from cryptodask.pipeline.replay import replay_days
from cryptodask.pipeline.settings import Settings, read_settings
from cryptodask.pipeline.steps import is_complete, run_day, shown
from cryptodask.prices import CryptoLoader
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.store import open_store
from tests.conftest import Cluster, write_folder
from tests.exchange_server import ExchangeServer, Fault, Listing, bar, day_of

FIRST, LAST = "2024-03-11", "2024-04-09"
COINS = ("AAA", "BBB", "CCC", "DDD")
DELISTED, GONE = "DDD", "2024-03-25"
"""A coin that is not traded any more, and its last day."""

TEXT = """
[prices]
table = "table"
exchange = "binance"
api_url = "{url}"
coins = ["AAA", "BBB", "CCC", "DDD"]
since = "2024-01-01"
retries = 0
[forecast]
models = ["naive"]
horizon = 2
intervals = false
groups = 1
scheduler = "{address}"
[[rules]]
name = "keep"
action = "request"
min_return = 0.0  # which naive always has
weight = 0.2
[trade]
fee = 0.002
lot = 0.01
"""


@pytest.fixture
def exchange() -> ExchangeServer:
    listings = [Listing(coin, last=GONE if coin == DELISTED else "2024-04-10") for coin in COINS]
    return ExchangeServer(listings, page=100)


def settings_for(folder: Path, exchange: ExchangeServer, cluster: Cluster) -> Settings:
    (folder / "pipeline.toml").write_text(TEXT.format(url=exchange.url, address=cluster.address))
    return read_settings(folder / "pipeline.toml")


def days() -> list[str]:
    return [f"{day:%Y-%m-%d}" for day in pd.date_range(FIRST, LAST)]


FAULTS = {"2024-03-13": "429", "2024-03-15": "short", "2024-03-17": "cut", "2024-03-19": "reset",
          "2024-03-21": "junk", "2024-03-23": "empty", "2024-03-27": "500"}  # fmt: skip
"""What happens on some days to the first coin that is asked for."""

DOWN = "2024-03-29"
"""A day on which the exchange can't be reached, and is asked again later."""

SKIPPED = "2024-04-02"
"""A day on which nobody ran the pipeline."""


@pytest.mark.slow
def test_thirty_days_with_faults_end_as_thirty_without(
    tmp_path: Path, exchange: ExchangeServer, cluster: Cluster
) -> None:
    with exchange:
        settings = settings_for(tmp_path, exchange, cluster)
        said = []
        for date in days():
            if date == SKIPPED:
                continue
            if date in FAULTS:
                exchange.fail(FAULTS[date], path="klines", times=1)
            day = Day(settings, date)
            if date == DOWN:
                exchange.stop()
                with pytest.raises(CryptoDaskError):
                    run_day(day, foreground=True)
                exchange.start()
            reports = run_day(day, foreground=True)
            assert not [r for r in reports if r["state"] == "failed"], reports
            said += [r["findings"] for r in reports if r["step"] == "poll"]
            stopped = {c for r in reports if r["step"] == "check" for c in r["stopped"]}
            if date > GONE:
                assert DELISTED in stopped, "a coin that has ended is told, day by day"
        assert sum("not_fetched" in findings for findings in said) >= 5, "faults are told"

        # Later polls brought what the faults had kept back.
        rows = CryptoLoader(settings.prices.table).get_df()
        for coin in COINS:
            last = GONE if coin == DELISTED else LAST
            of_coin = rows[rows["coin"] == coin].set_index("date")["close"]
            wanted = {d: bar(f"{coin}USDT", day_of(f"{d:%Y-%m-%d}"))[4]
                      for d in pd.date_range("2024-01-01", last)}  # fmt: skip
            assert of_coin.map(str).to_dict().keys() == wanted.keys()
            assert of_coin.to_dict() == {d: float(text) for d, text in wanted.items()}

        with open_store(settings.store) as store:
            stored = store.forecasts()
            account, orders, fills = store.trading_days(), store.orders(), store.fills()
        assert not stored.duplicated(["coin", "model", "cutoff", "step"]).any()
        # A coin whose prices did not come on a day was stopped then, and has no forecast of it.
        cutoffs = stored.groupby("coin")["cutoff"].nunique()
        assert cutoffs["BBB"] >= len(days()) - 2
        assert (
            cutoffs[DELISTED]
            == pd.Timestamp(GONE).day_of_year - pd.Timestamp(FIRST).day_of_year + 1
        )
        assert (stored.groupby(["coin", "cutoff"]).size() == 2).all()
        assert account["day"].astype(str).tolist() == [d for d in days() if d != SKIPPED]
        assert not orders.duplicated(["request"]).any()
        known = {"filled", "small", "open", "expired", "replaced"}
        assert {"filled", "small"} <= set(orders["state"]) <= known
        spent = (fills["quantity"] * fills["price"] * np.where(fills["side"] == "buy", 1, -1)).sum()
        assert account["cash"].iloc[-1] == pytest.approx(10_000 - spent - fills["fee"].sum())
        held = fills.assign(q=fills["quantity"] * np.where(fills["side"] == "buy", 1, -1))
        closes = rows.groupby("coin")["close"].last()
        worth = (held.groupby("coin")["q"].sum() * closes).sum()
        assert account["equity"].iloc[-1] == pytest.approx(account["cash"].iloc[-1] + worth)
        # Decided at a close, and filled at the next open.
        opens = rows.set_index(["coin", "date"])["open"]
        for fill in fills.itertuples():
            assert fill.date == fill.decided + pd.Timedelta(days=1)
            assert fill.price == pytest.approx(opens[fill.coin, fill.date] * 1.0005)

        again = [run_day(Day(settings, date), foreground=True) for date in days()[-2:]]
        assert not [r for reports in again for r in reports if r.get("new")], "nothing twice"
        [past] = [r for r in run_day(Day(settings, SKIPPED)) if r["step"] == "trade"]
        assert (past["state"], past["why"]) == (
            "nothing", f"the account has traded up to {LAST}, and the past is not traded",
        )  # fmt: skip


class Correcting(ExchangeServer):
    """An exchange that corrects the close of one day."""

    corrects = False

    def answer(self, path: str, query: dict[str, str], fault: Fault | None) -> tuple[int, Any]:
        status, content = super().answer(path, query, fault)
        if self.corrects and path == "klines" and query["symbol"] == "AAAUSDT":
            for row in content:
                if row[0] == day_of("2024-03-20") * 86_400_000:
                    row[1:5] = ["41.5"] * 4
        return status, content


def test_a_correction_is_taken_and_kept_beside_what_was_known(
    tmp_path: Path, cluster: Cluster
) -> None:
    with Correcting([Listing("AAA"), Listing("BBB"), Listing("CCC"), Listing("DDD")]) as exchange:
        settings = settings_for(tmp_path, exchange, cluster)
        first, second = (Day(settings, date) for date in ("2024-03-20", "2024-03-21"))
        run_day(first, foreground=True)
        with open_store(settings.store) as store:
            before = store.actuals("AAA").set_index("date")["close"]
        exchange.corrects = True
        assert poll(second)["findings"]["corrected_row"] == 1
        run_day(second, foreground=True)
        run_day(first, foreground=True)  # done already: nothing is forecast again
    with open_store(settings.store) as store:
        after = store.actuals("AAA").set_index("date")["close"]
        assert after[pd.Timestamp("2024-03-20")] == 41.5 != before[pd.Timestamp("2024-03-20")]
        assert len(store.forecasts("AAA")) == 4
        last = store.forecasts("AAA", as_of="2024-03-20")["forecast"].iloc[0]
        assert last == before[pd.Timestamp("2024-03-20")], "what was known then"


def test_a_coin_that_the_exchange_does_not_have_is_named(
    tmp_path: Path, exchange: ExchangeServer, cluster: Cluster
) -> None:
    with exchange:
        settings = settings_for(tmp_path, exchange, cluster)
        prices = attrs.evolve(settings.prices, coins=["AAA", "NOPE"])
        reports = run_day(Day(attrs.evolve(settings, prices=prices), FIRST), foreground=True)
    assert list(reports[0]["unfetched"]) == ["NOPE"]
    assert reports[0]["unfetched"]["NOPE"]
    assert not is_complete(reports)


def test_a_replay_of_made_up_days_ends_in_stored_forecasts(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "prices", synthetic_prices(4, 120, seed=3))
    played = list(replay_days(str(source), tmp_path / "out", 2, coins=3, horizon=2, groups=1))
    assert [date for date, _ in played] == sorted(date for date, _ in played)
    assert not [r for _, reports in played for r in reports if r["state"] == "failed"]
    assert all(f"fill{'s' * (r['fills'] != 1)}, equity {r['equity']:,.2f}" in shown(reports)
               for _, reports in played for r in reports if r["step"] == "trade")  # fmt: skip
    with open_store(tmp_path / "out" / "cryptodask.db") as store:
        assert len(store.forecasts()) == 2 * 3 * 2 * 2
        assert store.forecasts()["lower_80"].notna().all()
