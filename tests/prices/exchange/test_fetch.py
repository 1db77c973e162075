"""Fetching, against a server on this machine that speaks Binance's API and fails on demand."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryptodask.errors import ExchangeError, MissingExtraError, OptionError, PolicyError
from cryptodask.prices.clean.findings import FINDING_KINDS
from cryptodask.prices.exchange.client import Client, Page, _retry_after
from cryptodask.prices.exchange.fetch import FetchResult, fetch_prices, iter_prices, next_page
from cryptodask.prices.exchange.opening import open_exchange
from cryptodask.prices.exchange.symbols import rank_bases
from cryptodask.prices.schema import empty_prices
from tests.exchange_server import STEPS, ExchangeServer, Listing, bar, day_of, number_of

pytest.importorskip("ccxt")

NOW = datetime(2024, 4, 1, 12, tzinfo=UTC)
SINCE = "2024-01-01"  # 91 days, four pages of the server
LISTINGS = [
    Listing("BTC", volume=9e9),
    Listing("ETH", first="2024-02-10", volume=5e9),
    Listing("XRP", first="2024-03-01", volume=1e9),
    Listing("ADA", first="2024-03-01", volume=1e9),
    Listing("JUP", first="2024-03-25", volume=1e8),
    Listing("YOYO", first="2024-03-25", volume=1e7),
    Listing("OLD", last="2024-02-01", volume=8e9, status="BREAK"),
    Listing("USDC", volume=9e12),
    Listing("EUR", volume=9e11),
    Listing("BTCUP", volume=9e10),
    Listing("ETH3S", volume=9e10),
    Listing("ETH", quote="BTC", volume=1e12),
]


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with ExchangeServer(list(LISTINGS)) as one:
        yield one


class Waits(list[float]):
    """A sleep that writes down how long, and does not wait."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetch(server: ExchangeServer, *symbols: str, **options: Any) -> FetchResult:
    given = {"since": SINCE, "now": NOW, "api_url": server.url, "sleep": Waits()} | options
    return fetch_prices("binance", symbols=symbols or None, **given)


def expected(base: str, first: str, last: str = "2024-03-31", freq: str = "1d") -> pd.DataFrame:
    rows = []
    for number in range(number_of(first, freq), number_of(last, freq) + 1):
        start, opened, high, low, close, _, _, volume, *_ = bar(f"{base}USDT", number, freq)
        numbers = [float(text) for text in (opened, high, low, close, volume)]
        rows.append([base, pd.Timestamp(start, unit="ms"), *numbers, np.nan])
    empty = empty_prices()
    return pd.DataFrame(rows, columns=empty.columns).astype(empty.dtypes.to_dict())


def kinds(result: FetchResult) -> list[tuple[str, str]]:
    return list(zip(result.findings["kind"], result.findings["coin"], strict=True))


# What comes when nothing fails.


def test_pages_are_joined_and_the_day_that_has_not_ended_is_left_out(
    server: ExchangeServer,
) -> None:
    result = fetch(server, "ETH", "BTC")
    whole = [expected("BTC", SINCE), expected("ETH", "2024-02-10")]
    pd.testing.assert_frame_equal(result.prices, pd.concat(whole, ignore_index=True))
    assert result.complete
    assert result.findings.empty
    assert (server.count(symbol="BTCUSDT"), server.count(symbol="ETHUSDT")) == (4, 2)
    assert {path for _, path, _ in server.asked} == {"exchangeInfo", "klines"}


def test_a_day_is_there_once_it_has_ended(server: ExchangeServer) -> None:
    midnight = datetime(2024, 4, 1)  # no zone is UTC
    for now, last in (
        (midnight - timedelta(milliseconds=1), "2024-03-30"),
        (midnight, "2024-03-31"),
        (datetime(2024, 4, 1, 1, tzinfo=UTC).astimezone(), "2024-03-31"),
    ):
        result = fetch(server, "JUP", now=now)
        pd.testing.assert_frame_equal(result.prices, expected("JUP", "2024-03-25", last))
        assert result.complete


def test_until_is_the_last_day(server: ExchangeServer) -> None:
    result = fetch(server, "BTC", since=date(2024, 1, 3), until="2024-01-05")
    pd.testing.assert_frame_equal(result.prices, expected("BTC", "2024-01-03", "2024-01-05"))
    assert result.complete


def test_the_top_are_those_traded_most_and_no_stable_leveraged_or_inactive_ones(
    server: ExchangeServer,
) -> None:
    got = list(
        iter_prices("binance", since="2024-03-30", top=4, now=NOW, api_url=server.url)
    )  # XRP and ADA trade the same
    assert [one.coin for one in got] == ["BTC", "ETH", "ADA", "XRP"]


def test_coins_by_name_come_before_the_top_and_none_comes_twice(server: ExchangeServer) -> None:
    seen: list[tuple[str, int]] = []
    result = fetch(
        server, "xrp/usdt", "ETHUSDT", "XRP", "USDC", top=2, since="2024-03-30",
        on_coin=lambda coin, frame: seen.append((coin, len(frame))),
    )  # fmt: skip
    assert seen == [("XRP", 2), ("ETH", 2), ("USDC", 2), ("BTC", 2)]
    assert result.prices["coin"].unique().tolist() == ["BTC", "ETH", "USDC", "XRP"]


def test_the_pace_is_that_of_the_exchange(server: ExchangeServer) -> None:
    import ccxt

    fetch(server, "BTC", "ETH", "XRP", "ADA")
    times = [when for when, path, _ in server.asked if path == "klines"]
    pause = ccxt.binance().rateLimit * 0.4 / 1000  # a request for bars weighs 0.4
    assert len(times) == 10
    assert times[-1] - times[0] >= 0.9 * pause * (len(times) - 1)


@pytest.mark.parametrize("freq", STEPS)
def test_elsewhere_the_volume_is_estimated_from_that_in_the_base(
    server: ExchangeServer, freq: str
) -> None:
    client = Client(open_exchange("binance", freq, 5, server.url), freq, 0, 0, Waits())
    market = client.api.load_markets()["BTC/USDT"]
    page = Page(number_of("2024-01-02 12:00", freq), 3)
    own, client.raw = client.bars(market, page), False
    other = client.bars(market, page)
    assert [row[0] for row in own] == [page.first, page.first + 1, page.first + 2]
    assert [row[:5] for row in own] == [row[:5] for row in other]
    base = [float(bar("BTCUSDT", row[0], freq)[5]) for row in other]
    assert [row[5] for row in other] == [v * row[4] for v, row in zip(base, other, strict=True)]


# Bars that are shorter than a day.


@pytest.mark.parametrize(("freq", "last", "pages"), [("1h", "11:00", 4), ("4h", "08:00", 1)])
def test_shorter_bars_come_to_the_last_one_that_has_ended(
    server: ExchangeServer, freq: str, last: str, pages: int
) -> None:
    now = datetime(2024, 4, 1, 12, 59)
    server.fail("more", skip=pages - 1)  # those that have not ended, too
    result = fetch(server, "JUP", "XRP", since="2024-03-28", freq=freq, now=now)
    whole = [expected(coin, "2024-03-28", f"2024-04-01 {last}", freq) for coin in ("JUP", "XRP")]
    pd.testing.assert_frame_equal(result.prices, pd.concat(whole, ignore_index=True))
    assert result.findings.empty
    assert result.complete
    assert server.count(symbol="JUPUSDT") == pages
    assert {q["interval"] for _, path, q in server.asked if path == "klines"} == {freq}


@pytest.mark.parametrize("freq", ["1h", "4h"])
def test_a_bar_is_there_once_it_has_ended(server: ExchangeServer, freq: str) -> None:
    end = datetime(2024, 4, 1, 12)
    last = (end - timedelta(milliseconds=STEPS[freq])).isoformat()
    result = fetch(server, "JUP", freq=freq, since=date(2024, 4, 1), now=end)
    pd.testing.assert_frame_equal(result.prices, expected("JUP", "2024-04-01", last, freq))
    now = end - timedelta(milliseconds=1)
    result = fetch(server, "JUP", freq=freq, since=date(2024, 4, 1), now=now)
    before = (end - timedelta(milliseconds=2 * STEPS[freq])).isoformat()
    pd.testing.assert_frame_equal(result.prices, expected("JUP", "2024-04-01", before, freq))


def test_what_is_future_is_so_at_the_moment_of_the_run(server: ExchangeServer) -> None:
    server.listings.append(Listing("NEW", first="2124-03-30", last="2124-04-10"))
    now = datetime(2124, 4, 1, 12)
    result = fetch(server, "NEW", since="2124-03-30", freq="4h", now=now)
    whole = expected("NEW", "2124-03-30", "2124-04-01 08:00", "4h")
    pd.testing.assert_frame_equal(result.prices, whole)
    assert result.findings.empty


@pytest.mark.parametrize(("freq", "last"), [("1h", "23:00"), ("4h", "20:00")])
def test_until_is_a_whole_day(server: ExchangeServer, freq: str, last: str) -> None:
    result = fetch(server, "BTC", since="2024-01-03", until="2024-01-04", freq=freq)
    days = expected("BTC", "2024-01-03", f"2024-01-04 {last}", freq)
    pd.testing.assert_frame_equal(result.prices, days)
    assert result.complete


@pytest.mark.parametrize(
    "already",
    [
        datetime(2024, 3, 30, 13),
        pd.Timestamp("2024-03-30 13:00"),
        datetime(2024, 3, 30, 15, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_coin_goes_on_in_the_middle_of_a_day(server: ExchangeServer, already: datetime) -> None:
    result = fetch(server, "JUP", freq="1h", already={"JUP": already})
    rest = expected("JUP", "2024-03-30 14:00", "2024-04-01 11:00", "1h")
    pd.testing.assert_frame_equal(result.prices, rest)
    assert result.complete
    assert result.findings.empty
    again = fetch(server, "JUP", freq="1h", already={"JUP": rest["date"].iloc[-1]})
    assert again.prices.empty
    assert again.complete
    assert server.count() == 2


def test_of_shorter_bars_a_day_that_is_there_is_its_midnight(server: ExchangeServer) -> None:
    result = fetch(server, "JUP", freq="4h", already={"JUP": date(2024, 4, 1)})
    rest = expected("JUP", "2024-04-01 04:00", "2024-04-01 08:00", "4h")
    pd.testing.assert_frame_equal(result.prices, rest)


def test_bars_missing_after_the_last_one_that_is_there_are_told(server: ExchangeServer) -> None:
    already = {"XRP": datetime(2024, 2, 29, 20)}
    result = fetch(server, "XRP", freq="1h", already=already)
    assert kinds(result) == [("gap", "XRP")]
    gap = result.findings.iloc[0]
    assert (gap["value"], gap["date"]) == ("3", pd.Timestamp("2024-02-29 20:00"))
    assert gap["message"] == "hours missing after this one"


def test_an_hour_that_two_pages_tell_otherwise_is_told(server: ExchangeServer) -> None:
    server.fail("changed", skip=1)
    result = fetch(server, "JUP", since="2024-03-30", freq="1h")
    whole = expected("JUP", "2024-03-30", "2024-04-01 11:00", "1h")
    pd.testing.assert_frame_equal(result.prices, whole)
    assert kinds(result) == [("conflicting_row", "JUP")]
    assert result.findings["date"][0] == pd.Timestamp("2024-03-31 03:00")


def test_the_span_that_did_not_come_is_told_with_its_hours(server: ExchangeServer) -> None:
    server.fail("500", skip=1, times=9)
    result = fetch(server, "JUP", since="2024-03-31", freq="1h", retries=0)
    assert "2024-04-01 06:00 to 2024-04-01 11:00: Exch" in result.findings["message"][0]
    server.faults.clear()
    server.fail("empty")
    result = fetch(server, "JUP", since="2024-03-31", freq="4h")
    assert result.findings["message"][0] == (
        "2024-03-31 00:00 to 2024-04-01 08:00: the exchange has no such bars of 4h, "
        "or gave no more of them"
    )


# Names.


def test_coins_that_are_not_traded_are_told(server: ExchangeServer) -> None:
    result = fetch(server, "JUP", "OLD", "NOPE")
    assert kinds(result) == [("delisted", "NOPE"), ("delisted", "OLD")]
    assert result.findings["message"].tolist() == [
        "not listed in USDT",
        "is listed and not traded any more",
    ]
    assert not result.complete
    assert result.prices["coin"].unique().tolist() == ["JUP"]


@pytest.mark.parametrize("name", ["YOYO", "YOYOW", "YOYOUSDT"])
def test_a_coin_that_the_exchange_calls_otherwise_is_told(
    server: ExchangeServer, name: str
) -> None:
    result = fetch(server, name)
    assert kinds(result) == [("renamed", "YOYOW")]
    assert "YOYO" in result.findings["message"][0]
    assert result.prices["coin"].unique().tolist() == ["YOYOW"]
    assert result.complete


# Faults that pass.


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("429", {}),
        ("418", {"value": 3}),
        ("500", {"times": 3}),
        ("503", {}),
        ("cut", {"times": 2}),
        ("short", {}),
        ("junk", {}),
        ("reset", {"times": 2}),
        ("slow", {"value": 0.8}),
    ],
)
@pytest.mark.parametrize("skip", [0, 2])
def test_a_fault_that_passes_leaves_no_trace(
    server: ExchangeServer, kind: str, options: dict[str, Any], skip: int
) -> None:
    waits = Waits()
    server.fail(kind, skip=skip, **options)
    result = fetch(server, "BTC", sleep=waits, timeout=0.5 if kind == "slow" else 10)
    pd.testing.assert_frame_equal(result.prices, expected("BTC", SINCE))
    assert result.complete
    assert len(waits) == options.get("times", 1)


@pytest.mark.parametrize("path", ["exchangeInfo", "ticker/24hr"])
@pytest.mark.parametrize("kind", ["cut", "500"])
def test_lists_of_markets_and_volumes_are_asked_for_again(
    server: ExchangeServer, path: str, kind: str
) -> None:
    server.fail(kind, path)
    result = fetch(server, top=1, since="2024-03-30")
    assert result.complete
    assert result.prices["coin"].unique().tolist() == ["BTC"]


def test_waits_double_and_are_at_least_what_the_exchange_asks_for(server: ExchangeServer) -> None:
    waits = Waits()
    server.fail("500", times=4)
    server.fail("429", value=25)
    fetch(server, "JUP", sleep=waits, backoff=2.0)
    assert len(waits) == 5
    assert all(half <= wait <= 2 * half for wait, half in zip(waits, (1, 2, 4, 8), strict=False))
    assert waits[4] >= 25


def test_a_wait_asked_for_once_is_not_taken_for_the_next_fault(server: ExchangeServer) -> None:
    waits = Waits()
    server.fail("429", value=40)
    server.fail("reset")
    fetch(server, "JUP", sleep=waits)
    assert waits[0] == 40
    assert waits[1] < 3


def test_retry_after_is_seconds_or_a_moment() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert _retry_after({"retry-after": " 7 "}) == 7
    assert 85 < _retry_after({"Retry-After": moment}) <= 90
    for odd in ({}, {"Retry-After": ""}, {"Retry-After": "soon"}, {"Retry-After": "1x"}):
        assert _retry_after(odd) == 0


def test_pages_that_overlap_are_joined(server: ExchangeServer) -> None:
    server.fail("overlap", skip=1, times=2)
    result = fetch(server, "BTC")
    pd.testing.assert_frame_equal(result.prices, expected("BTC", SINCE))
    assert result.findings.empty


def test_a_day_that_two_pages_tell_otherwise_is_told(server: ExchangeServer) -> None:
    server.fail("changed", skip=1)
    result = fetch(server, "BTC")
    pd.testing.assert_frame_equal(result.prices, expected("BTC", SINCE))
    assert kinds(result) == [("conflicting_row", "BTC")]


# Faults that stay.


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("429", "DDoSProtection"),
        ("500", "ExchangeNotAvailable"),
        ("cut", "no JSON"),
        ("junk", "no list"),
        ("reset", "NetworkError"),
    ],
)
def test_a_coin_that_fails_is_told_with_its_reason_and_the_others_go_on(
    server: ExchangeServer, kind: str, says: str
) -> None:
    server.fail(kind, symbol="BTCUSDT", skip=2, times=99)
    result = fetch(server, "BTC", "JUP", retries=2)
    assert kinds(result) == [("not_fetched", "BTC")]
    assert says in result.findings["message"][0]
    assert "2024-03-01 to 2024-03-31" in result.findings["message"][0]
    assert "asked 3 times" in result.findings["message"][0]
    assert not result.complete
    kept = [expected("BTC", SINCE, "2024-02-29"), expected("JUP", "2024-03-25")]
    pd.testing.assert_frame_equal(result.prices, pd.concat(kept, ignore_index=True))


@pytest.mark.parametrize(
    ("kind", "requests", "says"),
    [("endless", 1, "an answer of over 2 MiB"), ("drip", 2, "no whole answer within 0.5 seconds")],
)
def test_an_answer_without_end_costs_its_coin_and_the_others_go_on(
    server: ExchangeServer, monkeypatch: pytest.MonkeyPatch, kind: str, requests: int, says: str
) -> None:
    monkeypatch.setattr("cryptodask.prices.exchange.answers.LARGEST_ANSWER", 1 << 21)
    monkeypatch.setattr("cryptodask.prices.exchange.answers.SLOWEST_ANSWER", 0.05)
    server.fail(kind, symbol="ETHUSDT", times=9)
    result = fetch(server, "ETH", "XRP", retries=1, timeout=10)
    assert server.count(symbol="ETHUSDT") == requests
    assert result.prices["coin"].unique().tolist() == ["XRP"]
    [row] = result.findings.to_dict("records")
    assert (row["kind"], row["coin"]) == ("not_fetched", "ETH")
    assert says in row["message"]


def test_a_coin_whose_name_can_not_be_shown_is_named_and_the_others_are_fetched(
    server: ExchangeServer,
) -> None:
    bad = "A\x1b[31M\u202e"
    server.listings += [Listing(bad, volume=9e10), Listing("CAFE\u0301", volume=8e10)]
    result = fetch(server, bad, top=3, since="2024-03-30")
    assert result.prices["coin"].unique().tolist() == ["BTC", "CAF\xc9"]
    [row] = result.findings.to_dict("records")
    assert (row["kind"], row["coin"]) == ("not_fetched", "A\\x1b[31M\\u202e")
    assert row["file"] == f"binance:{row['coin']}"
    assert not result.complete


def test_a_refusal_is_not_asked_again(server: ExchangeServer) -> None:
    got = iter_prices(
        "binance", since=SINCE, symbols=["BTC", "ETH"], now=NOW, api_url=server.url, sleep=Waits()
    )
    next(got)
    server.listings[:] = [one for one in LISTINGS if one.symbol != "ETHUSDT"]
    last = next(got)
    assert last.findings["kind"].tolist() == ["not_fetched"]
    assert "Invalid symbol" in last.findings["message"][0]
    assert server.count(symbol="ETHUSDT") == 1


@pytest.mark.parametrize(("skip", "rows"), [(0, 0), (1, 30)])
def test_an_empty_page_ends_a_coin_and_is_told(
    server: ExchangeServer, skip: int, rows: int
) -> None:
    server.fail("empty", skip=skip)
    result = fetch(server, "BTC")
    assert len(result.prices) == rows
    assert kinds(result) == [("not_fetched", "BTC")]
    assert server.count() == skip + 1
    again = fetch(server, "BTC", already=last_days(result))
    joined = pd.concat([result.prices, again.prices], ignore_index=True)
    pd.testing.assert_frame_equal(joined, expected("BTC", SINCE))


def test_a_page_that_does_not_advance_ends_a_coin_and_is_told(server: ExchangeServer) -> None:
    server.fail("stuck", times=99)
    result = fetch(server, "BTC")
    pd.testing.assert_frame_equal(result.prices, expected("BTC", SINCE, "2024-01-30"))
    assert kinds(result) == [("not_fetched", "BTC")]
    assert server.count() == 2


def test_bars_that_do_not_begin_at_midnight_are_refused(server: ExchangeServer) -> None:
    server.shift = 16 * 3_600_000
    result = fetch(server, "JUP")
    assert result.prices.empty
    assert "begin at 16:00" in result.findings["message"][0]
    assert server.count() == 1


@pytest.mark.parametrize(
    ("freq", "shift", "says"),
    [
        ("1h", 1_800_000, "hourly bars begin at 00:30:00 and not at 00:00, 01:00 and so on UTC"),
        ("4h", 7_200_000, "bars of 4h begin at 02:00:00 and not at 00:00, 04:00 and so on UTC"),
        ("1h", 1, "hourly bars begin at 00:00:00"),
    ],
)
def test_bars_off_the_grid_of_their_frequency_are_refused(
    server: ExchangeServer, freq: str, shift: int, says: str
) -> None:
    server.shift = shift
    result = fetch(server, "JUP", since="2024-03-25", freq=freq)
    assert result.prices.empty
    assert kinds(result) == [("not_fetched", "JUP")]
    assert says in result.findings["message"][0]
    assert server.count() == 1


def test_one_bar_off_the_grid_among_others_is_left_out_and_told(server: ExchangeServer) -> None:
    server.fail("late", skip=1, value=60_000)
    result = fetch(server, "JUP", since="2024-03-30", freq="1h")
    whole = expected("JUP", "2024-03-30", "2024-04-01 11:00", "1h")
    rest = whole[whole["date"] != pd.Timestamp("2024-04-01 11:00")]
    pd.testing.assert_frame_equal(result.prices, rest)
    assert kinds(result) == [("unreadable_row", "JUP")]
    assert "off the grid" in result.findings["message"][0]
    assert not result.complete


def test_a_bar_off_the_grid_does_not_hide_the_one_on_it(server: ExchangeServer) -> None:
    server.fail("late", value=-3_540_000)  # the last of a page, one minute after the one before
    result = fetch(server, "JUP", since="2024-03-30", freq="1h")
    whole = expected("JUP", "2024-03-30", "2024-04-01 11:00", "1h")
    pd.testing.assert_frame_equal(result.prices, whole)
    assert result.findings.empty


def test_an_exchange_that_shuts_us_out_is_left_alone(server: ExchangeServer) -> None:
    waits = Waits()
    server.fail("418", symbol="JUPUSDT", value=7200)
    with pytest.raises(ExchangeError, match=r"wait 7200 s"):
        fetch(server, "BTC", "JUP", "XRP", sleep=waits)
    assert waits == []
    assert server.count(symbol="XRPUSDT") == 0


def test_an_exchange_that_is_not_there_is_an_error(server: ExchangeServer) -> None:
    server.stop()
    with pytest.raises(ExchangeError, match=r"markets can't be had.*asked 2 times"):
        fetch(server, "BTC", retries=1)


# Stopping and going on.


def last_days(result: FetchResult) -> dict[str, date]:
    return {str(coin): day for coin, day in result.prices.groupby("coin")["date"].max().items()}


def test_a_server_that_dies_stops_the_run_and_the_next_run_goes_on_to_the_same_frame(
    server: ExchangeServer,
) -> None:
    coins = ["BTC", "ETH", "XRP", "ADA", "JUP"]
    undisturbed = fetch(server, *coins)
    server.fail("die", symbol="ETHUSDT", skip=1)
    kept: list[pd.DataFrame] = []
    with pytest.raises(ExchangeError, match="3 coins in a row failed, the last one ADA"):
        fetch(server, *coins, retries=1, on_coin=lambda _, frame: kept.append(frame))
    assert [len(frame) for frame in kept] == [91, 30]

    server.start()
    before = server.count()
    already = {str(frame["coin"].iloc[0]): frame["date"].iloc[-1] for frame in kept}
    again = fetch(server, *coins, already=already)
    assert again.complete
    whole = pd.concat([*kept, again.prices]).sort_values(["coin", "date"], ignore_index=True)
    pd.testing.assert_frame_equal(whole, undisturbed.prices)
    assert server.count() - before == 6
    assert server.count(symbol="BTCUSDT") == 8  # none in the last run: it had all of BTC


def test_a_server_that_comes_back_while_we_wait_is_not_noticed(server: ExchangeServer) -> None:
    server.fail("die", skip=2)
    waits = Waits()

    def sleep(seconds: float) -> None:
        waits(seconds)
        if len(waits) == 3:
            server.start()

    result = fetch(server, "BTC", "JUP", sleep=sleep)
    whole = [expected("BTC", SINCE), expected("JUP", "2024-03-25")]
    pd.testing.assert_frame_equal(result.prices, pd.concat(whole, ignore_index=True))
    assert result.complete
    assert len(waits) == 3


def test_three_coins_that_fail_between_good_ones_do_not_stop_the_run(
    server: ExchangeServer,
) -> None:
    for coin in ("BTC", "XRP", "JUP"):
        server.fail("500", symbol=f"{coin}USDT", times=9)
    result = fetch(server, "BTC", "ETH", "XRP", "ADA", "JUP", retries=0)
    assert kinds(result) == [("not_fetched", coin) for coin in ("BTC", "JUP", "XRP")]


def test_a_coin_that_is_up_to_date_costs_no_request(server: ExchangeServer) -> None:
    got = list(
        iter_prices(
            "binance", since=SINCE, symbols=["BTC"], now=NOW, api_url=server.url,
            already={"BTC": pd.Timestamp("2024-03-31")},
        )
    )  # fmt: skip
    assert [(one.coin, len(one.prices), len(one.findings)) for one in got] == [("BTC", 0, 0)]
    assert server.count() == 0


def test_a_coin_goes_on_with_the_next_day_whatever_since_says(server: ExchangeServer) -> None:
    already = {"BTC": date(2024, 2, 1)}
    result = fetch(server, "BTC", since="2024-03-01", already=already)
    pd.testing.assert_frame_equal(result.prices, expected("BTC", "2024-02-02"))


def test_days_missing_after_those_that_are_there_are_told(server: ExchangeServer) -> None:
    result = fetch(server, "XRP", already={"XRP": date(2024, 2, 20)})
    assert kinds(result) == [("gap", "XRP")]
    gap = result.findings.iloc[0]
    assert (gap["value"], gap["date"]) == ("9", pd.Timestamp("2024-02-20"))
    assert result.complete


# Values.


def test_values_that_are_none_are_told(
    server: ExchangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(symbol: str, day: int, interval: str) -> list[Any]:
        row = bar(symbol, day, interval)
        changes = {26: (4, "0"), 27: (4, "NaN"), 28: (1, "-1"), 29: (7, "0")}
        if (place := day - day_of("2024-03-01") + 1) in changes:
            where, value = changes[place]
            row[where] = value
        return row

    monkeypatch.setattr("tests.exchange_server.bar", odd)
    result = fetch(server, "JUP")
    assert sorted(kind for kind, _ in kinds(result)) == [
        "gap", "nonpositive_close", "nonpositive_value", "unreadable_row", "zero_volume",
    ]  # fmt: skip
    assert result.prices["date"].dt.day.tolist() == [25, 28, 29, 30, 31]
    assert result.prices["open"].isna().tolist() == [False, True, False, False, False]
    assert set(result.findings["kind"]) <= set(FINDING_KINDS)


# Policies.


@pytest.fixture
def odd_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve JUP's bars of 2024-03-31 with what is odd in them, hour by hour."""
    changes = {
        1: (1, None), 3: (2, "0"), 5: (7, "-1"), 7: (7, "0"), 9: (4, "0"), 11: (4, "90"),
    }  # fmt: skip

    def odd(symbol: str, number: int, interval: str) -> list[Any]:
        row = bar(symbol, number, interval)
        hour = number - number_of("2024-03-31", "1h")
        if symbol == "JUPUSDT" and hour in changes:
            where, value = changes[hour]
            row[where] = value
        return row

    monkeypatch.setattr("tests.exchange_server.bar", odd)


def hours_and_actions(
    server: ExchangeServer, **policies: str
) -> tuple[set[int], dict[str, str], FetchResult]:
    """Return the hours that are left out, and what was done about each kind."""
    result = fetch(
        server, "JUP", since="2024-03-31", until="2024-03-31", freq="1h", policies=policies
    )
    left_out = set(range(24)) - set(result.prices["date"].dt.hour)
    done = dict(zip(result.findings["kind"], result.findings["action"], strict=True))
    return left_out, done, result


@pytest.mark.usefixtures("odd_values")
def test_by_default_only_what_is_no_price_is_left_out(server: ExchangeServer) -> None:
    left_out, done, result = hours_and_actions(server)
    assert left_out == {9}
    assert done == {
        "missing_value": "keep", "nonpositive_value": "repair:missing", "zero_volume": "keep",
        "nonpositive_close": "drop", "gap": "keep", "outside_range": "keep",
        "reverting_jump": "keep",
    }  # fmt: skip
    by_hour = result.prices.set_index(result.prices["date"].dt.hour)
    assert by_hour[["open", "high", "volume"]].isna().stack().loc[
        lambda cell: cell
    ].index.tolist() == [(1, "open"), (3, "high"), (5, "volume")]
    assert not result.complete


@pytest.mark.usefixtures("odd_values")
def test_rows_are_left_out_and_repaired_as_policies_say(server: ExchangeServer) -> None:
    left_out, done, _ = hours_and_actions(server, missing_value="drop")
    assert left_out == {1, 9}
    assert done["missing_value"] == "drop"

    left_out, done, _ = hours_and_actions(server, nonpositive_value="drop", zero_volume="drop")
    assert left_out == {3, 5, 7, 9}
    assert (done["nonpositive_value"], done["zero_volume"]) == ("drop", "drop")

    left_out, done, result = hours_and_actions(
        server, zero_volume="repair", reverting_jump="repair"
    )
    assert left_out == {9}
    assert done["zero_volume"] == "repair:missing"
    by_hour = result.prices.set_index(result.prices["date"].dt.hour)
    assert np.isnan(by_hour["volume"][7])
    assert by_hour["close"][11] == pytest.approx(
        np.sqrt(by_hour["close"][10] * by_hour["close"][12])
    )


@pytest.mark.usefixtures("odd_values")
@pytest.mark.parametrize(
    "kind",
    ["missing_value", "nonpositive_value", "nonpositive_close", "zero_volume", "gap"],
)
def test_what_a_policy_does_not_let_pass_ends_the_run_after_the_coins_before(
    server: ExchangeServer, kind: str
) -> None:
    kept: list[str] = []
    with pytest.raises(PolicyError, match=f"binance:JUP/USDT, JUP, 2024-03-31.*: {kind}"):
        fetch(
            server, "BTC", "JUP", "XRP", since="2024-03-31", freq="1h",
            policies={kind: "fail"}, on_coin=lambda coin, _: kept.append(coin),
        )  # fmt: skip
    assert kept == ["BTC"]
    assert server.count(symbol="XRPUSDT") == 0


def test_of_a_bar_told_twice_the_last_is_taken_where_the_policy_says_so(
    server: ExchangeServer,
) -> None:
    server.fail("changed", skip=1)
    result = fetch(server, "BTC", policies={"conflicting_row": "repair"})
    differing = result.prices["date"] == pd.Timestamp("2024-01-28")
    assert result.prices["close"][differing].tolist() == [1.5]
    conflicts = result.findings[result.findings["kind"] == "conflicting_row"]
    assert conflicts["action"].tolist() == ["repair:last"]
    assert result.complete
    rest = expected("BTC", SINCE)
    pd.testing.assert_frame_equal(result.prices[~differing], rest[~differing])

    server.fail("changed", skip=1)
    with pytest.raises(PolicyError, match="2024-01-28: conflicting_row"):
        fetch(server, "BTC", policies={"conflicting_row": "fail"})


def test_a_gap_before_the_first_new_row_is_judged_too(server: ExchangeServer) -> None:
    with pytest.raises(PolicyError, match="2024-02-20: gap: '9'"):
        fetch(server, "XRP", already={"XRP": date(2024, 2, 20)}, policies={"gap": "fail"})


@pytest.mark.usefixtures("odd_values")
def test_a_first_new_row_that_is_left_out_is_missing(server: ExchangeServer) -> None:
    already = {"JUP": datetime(2024, 3, 31, 8)}
    result = fetch(server, "JUP", freq="1h", already=already)
    gaps = result.findings[result.findings["kind"] == "gap"]
    assert gaps[["value", "date"]].values.tolist() == [["1", pd.Timestamp("2024-03-31 08:00")]]


@pytest.mark.usefixtures("odd_values")
def test_a_coin_of_which_nothing_is_left_is_told(server: ExchangeServer) -> None:
    already, now = {"JUP": datetime(2024, 3, 31, 8)}, datetime(2024, 3, 31, 10)
    result = fetch(server, "JUP", freq="1h", already=already, now=now)
    assert result.prices.empty
    assert kinds(result) == [("nonpositive_close", "JUP")]


# Deciding, without a server.


@pytest.mark.parametrize(
    ("days", "seen", "windowed", "page"),
    [
        (range(100, 130), True, False, Page(130, 30)),
        (range(100, 110), True, False, Page(110, 30)),
        (range(95, 130), True, False, Page(130, 30)),
        (range(100, 190), True, False, Page(190, 11)),
        (range(100, 201), True, False, None),
        (range(300, 310), True, False, None),
        (range(70, 100), True, False, None),
        ((), False, False, None),
        ((), True, True, None),
        ((), False, True, Page(130, 30)),
    ],
)
def test_the_next_page(days: Any, seen: bool, windowed: bool, page: Page | None) -> None:
    assert next_page(Page(100, 30), days, 200, 30, seen=seen, windowed=windowed) == page


@pytest.mark.parametrize("windowed", [True, False])
def test_pages_come_to_an_end_whatever_comes(windowed: bool) -> None:
    random = np.random.default_rng(3)
    for _ in range(200):
        page: Page | None = Page(0, 30)
        for step in range(1001):
            days = random.integers(-50, 1000, random.integers(0, 4)).tolist()
            page = next_page(page, days, 900, 30, seen=bool(step), windowed=windowed)
            if page is None:
                break
            assert 0 < page.limit <= 30
            assert page.first + page.limit - 1 <= 900
        assert page is None


def test_ranks_leave_out_what_is_no_coin_and_break_ties_by_name() -> None:
    known = {"BTC", "BTCUP", "BTC3L", "S", "SUP", "J", "JUP", "PUMP", "DAI", "ZEC", "AAA"}
    volumes = {"BTC": 5.0, "BTCUP": 9.0, "BTC3L": 9.0, "DAI": 9.0, "JUP": 2.0, "SUP": 2.0}
    assert rank_bases(volumes, known, known, 5) == ["BTC", "JUP", "SUP", "AAA", "J"]


# What is refused before anything is asked.


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"exchange": "binanse"}, "did you mean binance"),
        ({"exchange": "__class__"}, "ccxt knows none"),
        ({"freq": "1w"}, "freq: must be one of 1h, 4h, 1d, got '1w'"),
        ({"exchange": "coinbase", "freq": "4h"}, r"no bars of 4h \(it does of 1h, 1d\)"),
        ({"policies": {"gap": "drop"}}, "policy gap: must be one of keep, fail"),
        ({"quote": "BTC"}, "quote: tables hold US dollars"),
        ({"top": 0}, "top: must be at least 1"),
        ({"symbols": []}, "symbols: must be a list"),
        ({"symbols": "BTC"}, "symbols: must be a list"),
        ({"since": "yesterday"}, "since: must be a day"),
        ({"since": "2024-04-01"}, "the last one that can be had is 2024-03-31"),
        ({"until": "2023-12-31"}, "since: 2024-01-01 is after until: 2023-12-31"),
        ({"until": 5}, "until: must be a day"),
        (
            {"since": "2024-04-01", "freq": "4h", "now": datetime(2024, 4, 1, 3, 59)},
            "the last of the bars of 4h that ended; .* had is 2024-03-31 20:00",
        ),
        ({"already": {"BTC": pd.NaT}}, "already of BTC: must be a day"),
        ({"already": {"BTC": "2024-03-01"}}, "already of BTC: must be a day"),
        ({"already": {"BTC": datetime(2024, 3, 1, 4)}}, "no bar of 1d begins at 2024-03-01 04:00"),
        ({"already": {"BTC": datetime(2024, 3, 1, 1)}, "freq": "4h"}, "no bar of 4h begins at"),
        ({"retries": -1}, "retries: must be at least 0"),
        ({"backoff": float("nan")}, "backoff: must be at least 0"),
        ({"timeout": 0}, "timeout: must be above 0"),
        ({"timeout": float("inf")}, "timeout: must be above 0 and at most 3,600 seconds, got inf"),
        ({"retries": 10**9}, "retries: must be at most 1,000, got 1000000000"),
        ({"api_url": "file:///etc/passwd"}, "api_url: must be an address by http or https"),
        ({"api_url": "127.0.0.1:80"}, "api_url: must be an address by http or https"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(options: Any, says: str) -> None:
    given = {"exchange": "binance", "since": SINCE, "now": NOW, "api_url": "http://127.0.0.1:9"}
    with pytest.raises(OptionError, match=says):
        iter_prices(**(given | options))


def test_a_quote_that_does_not_fit_is_refused(server: ExchangeServer) -> None:
    with pytest.raises(OptionError, match="no spot market in FDUSD"):
        fetch(server, "BTC", quote="FDUSD")
    with pytest.raises(OptionError, match="'ETH/BTC' is not in USDT"):
        fetch(server, "ETH/BTC")


def test_without_ccxt_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cryptodask\[fetch\]'"):
        iter_prices("binance", since=SINCE, now=NOW)


@pytest.mark.parametrize("exchange", ["binance", "kraken", "okx", "bybit", "mexc", "kucoin"])
def test_every_address_of_an_exchange_is_the_one_given(exchange: str) -> None:
    def addresses(urls: Any) -> list[str]:
        if isinstance(urls, str):
            return [urls]
        return [a for url in urls.values() for a in addresses(url)]

    api = open_exchange(exchange, "1h", 1, "http://127.0.0.1:9/")
    assert addresses(api.urls["api"])
    assert all(url.startswith("http://127.0.0.1:9") for url in addresses(api.urls["api"]))
