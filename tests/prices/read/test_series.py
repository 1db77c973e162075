"""Coins of a file of many: the columns that name them, and files that name none."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cryptodask.errors import SourceError
from cryptodask.prices import CryptoLoader, ReadOptions, import_prices, read_files
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.read.headers import Header
from cryptodask.prices.read.names import is_name
from cryptodask.prices.read.series import check_one_series, find_repeats, tells_apart
from tests.prices.conftest import the_finding, told, write_files
from tests.prices.read.exports import Bar, series

COINS = {"BTC": series(0), "LTC": series(1, 5.0), "XMR": series(2, 150.0)}


def rows_of(names: Sequence[str], *, grouped: bool, extra: str = "") -> list[str]:
    """Lines of day, close, name and more, coin by coin or day by day."""
    coins = list(zip(names, COINS.values(), strict=False))
    lines = [f"{b.day},{b.close},{name}{extra}" for name, bars in coins for b in bars]
    return lines if grouped else [line for i in range(40) for line in lines[i::40]]


def text_of(column: str, names: Sequence[str] = tuple(COINS), *, grouped: bool = False) -> str:
    return "\n".join([f"date,close,{column}", *rows_of(names, grouped=grouped), ""])


def closes(bars: list[Bar]) -> list[float]:
    return [bar.close for bar in bars]


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    "column",
    ["tic", "code", "crypto_name", "asset_id", "instrument", "product_id", "base", "Coin ID",
     "instId", "#RIC", "Security", "Ticker Symbol", "market", "currency", "contract", "unique_id"],
)  # fmt: skip
def test_a_column_of_coins_is_found_by_any_usual_name(
    tmp_path: Path, column: str, grouped: bool
) -> None:
    folder = write_files(tmp_path, {"all.csv": text_of(column, grouped=grouped)})
    frame = CryptoLoader(folder).get_df()
    assert frame.groupby("coin")["close"].apply(list).to_dict() == {
        coin: closes(bars) for coin, bars in COINS.items()
    }


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("header", "extra", "candidates"),
    [
        ("date,close,venue", "", "venue"),
        ("date,close,foo,note", ",x", "foo"),
        ("date,close,quote,base", ",BTC", "quote"),
        ("date,close,exchange,symbol", ",BTC", "exchange"),
    ],
)
def test_series_under_the_same_dates_that_nothing_names_are_refused_with_the_columns(
    tmp_path: Path, header: str, extra: str, candidates: str, grouped: bool
) -> None:
    lines = [header, *rows_of(tuple(COINS), grouped=grouped, extra=extra), ""]
    folder = write_files(tmp_path, {"all.csv": "\n".join(lines)})
    with pytest.raises(SourceError) as caught:
        FolderSource(folder)
    assert "holds several prices of a " in str(caught.value)
    assert f"--column coin={candidates}" in str(caught.value)
    assert str(caught.value).endswith(f"apart: {candidates}")
    loader = CryptoLoader(folder, options=ReadOptions(columns={"coin": candidates}))
    assert loader.get_prices("LTC").tolist() == closes(COINS["LTC"])


def test_numbers_for_coins_are_candidates(tmp_path: Path) -> None:
    folder = write_files(tmp_path, {"all.csv": text_of("asset_id", ("1", "2", "1027"))})
    with pytest.raises(SourceError, match="--column coin=asset_id"):
        FolderSource(folder)
    loader = CryptoLoader(folder, options=ReadOptions(columns={"coin": "asset_id"}))
    assert loader.get_crypto_names() == ["1", "1027", "2"]


def test_series_that_no_column_names_are_refused_wherever_they_show(tmp_path: Path) -> None:
    bare = [line.rpartition(",")[0] for line in rows_of(tuple(COINS), grouped=False)]
    folder = write_files(tmp_path / "a", {"all.csv": "\n".join(["date,close", *bare])})
    with pytest.raises(SourceError, match="write a column coin that names the coin of each row"):
        FolderSource(folder)
    bare = [line.rpartition(",")[0] for line in rows_of(tuple(COINS), grouped=True)]
    folder = write_files(tmp_path / "b", {"all.csv": "\n".join(["date,close", *bare])})
    reading = read_files([folder])
    assert reading.prices.empty
    message = the_finding(lost(reading.findings), "unreadable_file").message
    assert "40 of 40 dates have two or more, as 2024-11-20 has" in message


@pytest.mark.parametrize("grouped", [False, True])
def test_series_that_are_stamped_seconds_after_each_other_are_refused_too(
    tmp_path: Path, grouped: bool
) -> None:
    lines = [
        f"{bar.day}T00:00:0{i}Z,{bar.close},{coin}"
        for i, (coin, bars) in enumerate(COINS.items())
        for bar in bars
    ]
    lines = lines if grouped else [line for i in range(40) for line in lines[i::40]]
    folder = write_files(tmp_path, {"all.csv": "\n".join(["time,price,venue", *lines])})
    with pytest.raises(SourceError, match="--column coin=venue"):
        import_prices(folder, tmp_path / "table")
    loader = CryptoLoader(folder, options=ReadOptions(columns={"coin": "venue"}))
    assert loader.get_prices("LTC").tolist() == closes(COINS["LTC"])


def test_a_column_that_may_be_of_coins_and_is_of_one_series_names_none(tmp_path: Path) -> None:
    for column, name in (("currency", "USD"), ("code", "BTC"), ("market", "spot")):
        folder = write_files(tmp_path / column, {"Bitcoin.csv": text_of(column, (name,))})
        assert FolderSource(folder).coins == ["Bitcoin"]


def test_rows_that_were_written_twice_are_no_second_series(tmp_path: Path) -> None:
    lines = ["date,close", *(f"{b.day},{b.close}" for b in COINS["BTC"]), "2024-11-20,7", ""]
    found = FolderSource(write_files(tmp_path, {"A.csv": "\n".join(lines)})).findings()
    assert told(lost(found), "kind", "line") == [("conflicting_row", 42)]


TICKERS = ("NA", "NULL", "NAN", "TRUE", "1E10", "007", "None", "币安人生")


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("first", TICKERS)
def test_tickers_that_look_like_something_else_are_names(
    tmp_path: Path, first: str, grouped: bool
) -> None:
    names = (first, *[t for t in TICKERS if t != first][:2])
    folder = write_files(tmp_path, {"all.csv": text_of("symbol", names, grouped=grouped)})
    loader = CryptoLoader(folder)
    assert loader.get_crypto_names() == sorted(names)
    assert loader.get_prices(first).tolist() == closes(COINS["BTC"])
    assert lost(loader.findings()).empty


def test_a_ticker_of_digits_alone_is_one(tmp_path: Path) -> None:
    folder = write_files(tmp_path, {"all.csv": text_of("ticker", ("007", "1E10"), grouped=True)})
    assert FolderSource(folder).coins == ["007", "1E10"]


@pytest.mark.parametrize("name", ["", " ", "-", "?", "n/a", "\x07"])
def test_cells_that_name_none(name: str) -> None:
    assert not is_name(name)


def test_names_of_one_date_that_differ_by_case_are_two_coins(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "a", {"all.csv": text_of("symbol", ("NAN", "nan"))})
    loader = CryptoLoader(folder)
    assert loader.get_crypto_names() == ["NAN", "nan"]
    assert loader.get_prices("nan").tolist() == closes(COINS["LTC"])
    lines = rows_of(("Bitcoin",), grouped=True)
    lines[20:] = [line.replace("Bitcoin", "bitcoin") for line in lines[20:]]
    folder = write_files(tmp_path / "b", {"all.csv": "\n".join(["date,close,symbol", *lines])})
    assert CryptoLoader(folder).get_prices("Bitcoin").tolist() == closes(COINS["BTC"])


KLINE_HEADER = "open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore"


@pytest.mark.parametrize("header", ["", KLINE_HEADER])
@pytest.mark.parametrize(
    ("names", "unit"),
    [
        (("BTCUSDT-1d-2024-11.csv", "BTCUSDT-1d-2024-12.csv"), "000"),
        (("BTCUSDT-1d-2024-11.csv", "BTCUSDT-1d-2024-12-01.csv"), "000000"),
        (("1000SATSUSDT-1d-2024-11.csv", "1000SATSUSDT-1d-2024-12.csv"), "000"),
    ],
)
def test_bulk_files_of_a_pair_by_month_are_one_coin(
    tmp_path: Path, header: str, names: tuple[str, str], unit: str
) -> None:
    bars = COINS["BTC"]
    parts = ([b for b in bars if b.day.month == 11], [b for b in bars if b.day.month == 12])
    files: dict[str, str | bytes] = {
        name: "\n".join([*filter(None, [header]), *(
            f"{b.epoch}{unit},{b.open},{b.high},{b.low},{b.close},1,{b.epoch}{unit},7,3,1,1,0"
            for b in part
        ), ""])
        for name, part in zip(names, parts, strict=True)
    }  # fmt: skip
    loader = CryptoLoader(write_files(tmp_path, files))
    coin = names[0].partition("-")[0]
    assert loader.get_crypto_names() == [coin]
    assert loader.get_prices(coin).tolist() == closes(bars)
    assert lost(loader.findings()).empty


@pytest.mark.parametrize("name", ["BTC-USD.csv", "BTC-2024-01.csv", "btc-1d.csv", "A-1d-2024.csv"])
def test_other_names_with_dates_stay_as_they_are(tmp_path: Path, name: str) -> None:
    source = FolderSource(write_files(tmp_path, {name: text_of("note", ("x",))}))
    assert source.coins == [name.removesuffix(".csv")]


def test_repeats_are_of_a_coin_and_bar_with_several_closes() -> None:
    stamps = ["2024-11-20", "2024-11-20", "2024-11-21", "2024-11-21", "2024-11-22"]
    repeats = find_repeats(stamps, ["1", "2", "3", "3", "4"], None, 86_400)
    assert (repeats.repeated, repeats.n_bars) == (1, 3)
    assert repeats.example == ("2024-11-20", "1", "2")
    assert not repeats.are_plain
    assert tells_apart(repeats, ["a", "b", "a", "b", "a"])
    assert not tells_apart(repeats, ["a", "a", "a", "b", "a"])
    assert find_repeats(stamps, list("12334"), list("abaab"), 86_400).repeated == 0
    moments = find_repeats(["1732060805", "1732060807"], ["1", "2"], None, 86_400)
    assert (moments.repeated, moments.n_bars) == (1, 1)
    header = Header(
        ["date", "close", ""], ["date", "close", ""], [[s, "1", ""] for s in stamps], True
    )
    check_one_series(header, {"date": 0, "close": 1}, repeats, has_coin=False)


def test_rows_of_a_date_that_are_no_prices_are_reported_and_not_several_series(
    tmp_path: Path,
) -> None:
    bad = "".join(f"2024-02-{30 + i % 70},=x{i}\n" for i in range(500))
    folder = write_files(tmp_path, {"A.csv": f"Date,Close\n2024-01-01,1\n2024-01-02,2\n{bad}"})
    findings = CryptoLoader(folder).findings()
    assert (findings["kind"] == "unreadable_row").sum() == 500
