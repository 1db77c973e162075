"""Headers of sites, terminals and exchanges in their languages: read right, or refused by name."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from cryptodask.errors import SourceError
from cryptodask.prices.clean.findings import lost
from cryptodask.prices.folder_source import FolderSource
from cryptodask.prices.read.options import ReadOptions
from cryptodask.prices.reading import Reading
from tests.prices.conftest import the_finding, told, write_files
from tests.prices.read.exports import Bar, german, series, suffixed, written

BARS = series()


def ohlc(bar: Bar, sep: str = ",") -> str:
    return sep.join(map(str, (bar.open, bar.high, bar.low, bar.close)))


def investing_german(bar: Bar) -> str:
    prices = [german(price) for price in (bar.close, bar.open, bar.high, bar.low)]
    cells = [f"{bar.day:%d.%m.%Y}", *prices, suffixed(bar.volume).replace(".", ","), "0,45%"]
    return ",".join(f'"{cell}"' for cell in cells)


def investing_us(bar: Bar) -> str:
    prices = [f"{price:,.4f}" for price in (bar.close, bar.open, bar.high, bar.low)]
    cells = [f"{bar.day:%m/%d/%Y}", *prices, suffixed(bar.volume), "0.45%"]
    return ",".join(f'"{cell}"' for cell in cells)


Line = Callable[[Bar], str]

# Where from -> header, and the line of a day. Empty headers are of files without one.
READ: dict[str, tuple[str, Line]] = {
    "Quandl, Bitstamp": (
        "Date,High,Low,Mid,Last,Bid,Ask,Volume",
        lambda b: f"{b.day},{b.high},{b.low},{(b.high + b.low) / 2},{b.close},1,2,{b.volume}",
    ),
    "Quandl, futures": (
        "Date,Open,High,Low,Settle,Volume", lambda b: f"{b.day},{ohlc(b)},{b.volume}",
    ),
    "Investing, English": ('"Date","Price","Open","High","Low","Vol.","Change %"', investing_us),
    "Investing, German": (
        '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"', investing_german,
    ),
    "Investing, French": (
        '"Date","Dernier","Ouv."," Plus Haut","Plus Bas","Vol.","Variation %"', investing_german,
    ),
    "Investing, Spanish": (
        '"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."', investing_german,
    ),
    "Investing, Italian": (
        '"Data","Ultimo","Apertura","Massimo","Minimo","Vol.","Var. %"', investing_german,
    ),
    "Investing, Portuguese": (
        '"Data","Último","Abertura","Máxima","Mínima","Vol.","Var%"', investing_german,
    ),
    "Investing, Dutch": (
        '"Datum","Laatste","Open","Hoog","Laag","Vol.","+/- %"', investing_german,
    ),
    "Investing, Polish": (
        '"Data","Ostatnio","Otwarcie","Max.","Min.","Wol.","Zmiana%"', investing_german,
    ),
    "Investing, Russian": (
        '"Дата","Цена","Откр.","Макс.","Мин.","Объём","Изм. %"', investing_german,
    ),
    "Investing, Turkish": (
        '"Tarih","Şimdi","Açılış","Yüksek","Düşük","Hac.","Fark %"', investing_german,
    ),
    "Investing, Japanese": (
        '"日付け","終値","始値","高値","安値","出来高","変化率 %"', investing_us,
    ),
    "a German exchange": (
        "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen",
        lambda b: ";".join([f"{b.day}", *map(german, (b.open, b.high, b.low, b.close)), "", "5"]),
    ),
    "Bloomberg": (
        "Security,XBTUSD Curncy\nStart Date,01/01/2024\nEnd Date,31/12/2024\nPeriod,D\n\n"
        "Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME",
        lambda b: f"{b.day:%m/%d/%Y},{ohlc(b)},{b.volume}",
    ),
    "Bloomberg, last price alone": ("Dates,PX_LAST", lambda b: f"{b.day:%m/%d/%Y},{b.close}"),
    "Reuters": (
        "Exchange Date,Close,Net,%Chg,Open,Low,High,Volume,Turnover - USD",
        lambda b: f"{b.day:%d-%b-%Y},{b.close},1,0.2%,{b.open},{b.low},{b.high},{b.volume},9",
    ),
    "Reuters, trade price": (
        "Date,OPEN_PRC,HIGH_1,LOW_1,TRDPRC_1,BID,ASK", lambda b: f"{b.day:%d-%b-%y},{ohlc(b)},1,2",
    ),
    "Yahoo, with an empty close": (
        "Date,Open,High,Low,Close,Adj Close,Volume",
        lambda b: f"{b.day},{b.open},{b.high},{b.low},,{b.close},{b.volume}",
    ),
    "TradingView": (
        "time,open,high,low,close,Volume,MA,MA", lambda b: f"{b.epoch},{ohlc(b)},{b.volume},,",
    ),
    "CoinGecko": (
        "snapped_at,price,market_cap,total_volume",
        lambda b: f"{b.day + timedelta(days=1)} 00:00:00 UTC,{b.close},5,{b.volume}",
    ),
    "CryptoCompare": (
        "time,high,low,open,volumefrom,volumeto,close,conversionType,conversionSymbol",
        lambda b: f"{b.epoch},{b.high},{b.low},{b.open},5,{b.volume},{b.close},direct,",
    ),
    "Kraken's archive": ("", lambda b: f"{b.epoch},{ohlc(b)},{b.volume},77"),
    "Kraken": (
        "time,open,high,low,close,vwap,volume,count",
        lambda b: f"{b.epoch},{ohlc(b)},{b.close},{b.volume},3",
    ),
    "Bitstamp": (
        "high,timestamp,volume,low,close,open",
        lambda b: f"{b.high},{b.epoch},{b.volume},{b.low},{b.close},{b.open}",
    ),
    "Bitfinex": ("", lambda b: f"{b.epoch}000,{b.open},{b.close},{b.high},{b.low},{b.volume}"),
    "letters": ("t,o,h,l,c,v", lambda b: f"{b.epoch}000,{ohlc(b)},{b.volume}"),
    "large letters": ("T,O,H,L,C,V", lambda b: f"{b.epoch}000,{ohlc(b)},{b.volume}"),
    "letters with a status": (
        "c,h,l,o,s,t,v", lambda b: f"{b.close},{b.high},{b.low},{b.open},ok,{b.epoch},{b.volume}",
    ),
    "letters of both cases": (
        "t,T,i,f,L,o,c,h,l,v,n,x,q,V,Q,B",
        lambda b: f"{b.epoch}000,{b.epoch + 86_399}999,1d,100,200,{b.open},{b.close},{b.high},"
        f"{b.low},{b.volume},5,True,7,1,1,0",
    ),
    "OKX": (
        "ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm",
        lambda b: f"{b.epoch}000,{ohlc(b)},1,2,{b.volume},1",
    ),
    "CoinAPI": (
        "time_period_start,time_period_end,time_open,time_close,price_open,price_high,price_low,"
        "price_close,volume_traded,trades_count",
        lambda b: f"{b.day}T00:00:00.0000000Z,{b.day + timedelta(days=1)}T00:00:00Z,"
        f"{b.day}T00:00:03.1Z,{b.day}T23:59:58.2Z,{ohlc(b)},{b.volume},8",
    ),
    "Alpha Vantage": (
        "timestamp,open (USD),high (USD),low (USD),close (USD),open (USD),high (USD),low (USD),"
        "close (USD),volume,market cap (USD)",
        lambda b: f"{b.day},{ohlc(b)},{ohlc(b)},{b.volume},{b.volume}",
    ),
    "Alpha Vantage, numbered": (
        "date,1. open,2. high,3. low,4. close,5. volume",
        lambda b: f"{b.day},{ohlc(b)},{b.volume}",
    ),
    "Nasdaq": (
        "Date,Close/Last,Volume,Open,High,Low",
        lambda b: f"{b.day:%m/%d/%Y},${b.close},{b.volume},${b.open},${b.high},${b.low}",
    ),
    "MetaTrader": (
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        lambda b: f"{b.day:%Y.%m.%d}\t00:00:00\t{ohlc(b, chr(9))}\t5\t{b.volume}\t2",
    ),
    "MetaTrader, without a header": ("", lambda b: f"{b.day:%Y.%m.%d},00:00,{ohlc(b)},{b.volume}"),
    "Stooq, Polish": (
        "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen",
        lambda b: f"{b.day},{ohlc(b)},{b.volume}",
    ),
    "Dukascopy": (
        "Local time,Open,High,Low,Close,Volume",
        lambda b: f"{b.day:%d.%m.%Y} 00:00:00.000 GMT+0100,{ohlc(b)},{b.volume}",
    ),
    "bars": ("Date|Open|High|Low|Close", lambda b: f"{b.day}|{ohlc(b, '|')}"),
    "two digits, month first": ("Date,Close", lambda b: f"{b.day:%m/%d/%y} 23:59,{b.close}"),
    "two digits, day first": ("Date,Close", lambda b: f"{b.day:%d.%m.%y},{b.close}"),
    "two digits, year first": ("Date,Close", lambda b: f"{b.day:%y-%m-%d},{b.close}"),
    "two digits, a month's name": ("Date,Close", lambda b: f"{b.day:%d-%b-%y},{b.close}"),
    "two digits, a month's name, year first": (
        "Date,Close", lambda b: f"{b.day:%y-%b-%d},{b.close}",
    ),
    "spaces between thousands": (
        "Date;Dernier", lambda b: f"{b.day};" + german(b.close).replace(".", "\u202f"),
    ),
    "apostrophes between thousands": (
        "Date;Close", lambda b: f"{b.day};" + f"{b.close:,.4f}".replace(",", "'"),
    ),
    "euros": ("Datum;Kurs", lambda b: f"{b.day};{german(b.close)} €"),
    "thousands as K": ("Date,Close", lambda b: f"{b.day},{b.close / 1000:.7f}K"),
    "day and time of day": (
        "Date,Time,Price", lambda b: f"{b.day + timedelta(days=1)},00:00,{b.close}",
    ),
}  # fmt: skip


def text_of(what: str) -> str:
    header, line = READ[what]
    return written(header, line, BARS).lstrip("\n")


def reading_of(folder: Path, text: str, **options: object) -> Reading:
    source = FolderSource(write_files(folder, {"X.csv": text}), ReadOptions(**options))  # type: ignore[arg-type]
    assert source.coins == ["X"]
    return source.partitions(source.coins)[0].load()


def days(reading: Reading) -> list[tuple[date, float]]:
    return [(day.date(), close) for day, close in told(reading.prices, "date", "close")]


@pytest.mark.parametrize("what", READ)
def test_what_people_export_reads_right(tmp_path: Path, what: str) -> None:
    reading = reading_of(tmp_path, text_of(what))
    assert [day for day, _ in days(reading)] == [bar.day for bar in BARS]
    assert reading.prices["close"].tolist() == pytest.approx([b.close for b in BARS], rel=1e-12)
    assert lost(reading.findings).empty
    assert "missing_value" not in set(reading.findings["kind"])
    there = reading.prices[["open", "high", "low"]].notna().all(axis=None)
    if there:
        for name in ("open", "high", "low"):
            wanted = [getattr(bar, name) for bar in BARS]
            assert reading.prices[name].tolist() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("what", ["Investing, German", "Investing, English"])
def test_volumes_with_a_suffix_are_written_out(tmp_path: Path, what: str) -> None:
    volumes = reading_of(tmp_path, text_of(what)).prices["volume"]
    assert volumes.tolist() == pytest.approx([b.volume for b in BARS], rel=0.02)


# What is not sure -> header, line, and what the error says.
REFUSED: dict[str, tuple[str, Line, str]] = {
    "last and settle": (
        "Date,Open,High,Low,Last,Change,Settle,Volume",
        lambda b: f"{b.day},{ohlc(b)},1,{b.close + 1},{b.volume}",
        r"has 2 columns close \(Last, Settle\).*--column close=Last",
    ),
    "a close that is not known": (
        "Date,Open,High,Low,Foo,Volume", lambda b: f"{b.day},{ohlc(b)},{b.volume}",
        "columns found: Date, Open, High, Low, Foo, Volume; name it with --column close=Foo",
    ),
    "a close and a volume": (
        "Date,Foo,Volume", lambda b: f"{b.day},{b.close},{b.volume}",
        "columns found: Date, Foo, Volume; name it with --column close=NAME",
    ),
    "a value of something": (
        "Date,Value", lambda b: f"{b.day},{b.close}", "columns found: Date, Value; name it with",
    ),
    "bid and ask": (
        "Date,Bid,Ask", lambda b: f"{b.day},{b.close},{b.close + 1}",
        "no column that is surely the close; columns found: Date, Bid, Ask",
    ),
    "a last that is another price": (
        "Date,High,Low,Last", lambda b: f"{b.day},{b.high},{b.low},{b.close * 3}",
        "Last is not between low and high",
    ),
    "a bar in a language that is not known": (
        "Date,Aaa,Bbb,Ccc,Ddd,Eee", lambda b: f"{b.day},{ohlc(b)},{b.volume}",
        "as open, high, low and close of one coin",
    ),
    "numbers for a header": (
        "Date,1,1027,825", lambda b: f"{b.day},{b.close},2,3", "has numbers in place of names",
    ),
    "prices for a header": (
        "", lambda b: f"{b.day},{b.close},{b.volume}",
        r"has no header, and its first row is already prices \(2024-11-20, ",
    ),
    "two closes that differ": (
        "Date,Close,close", lambda b: f"{b.day},{b.close},{b.open}", r"2 columns close \(Close, cl",
    ),
    "several fields a coin": (
        "Date,A_close,A_volume,B_close,B_volume", lambda b: f"{b.day},{b.close},5,1.2,5",
        "has columns of several fields",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_sure_is_refused_with_the_columns_and_the_option(
    tmp_path: Path, what: str
) -> None:
    header, line, message = REFUSED[what]
    folder = write_files(tmp_path, {"X.csv": written(header, line, BARS).lstrip("\n")})
    with pytest.raises(SourceError, match=message):
        FolderSource(folder)


def test_a_file_that_is_refused_among_others_counts_as_lost(tmp_path: Path) -> None:
    header, line, _ = REFUSED["a close that is not known"]
    files = {"X.csv": written(header, line, BARS), "Y.csv": text_of("Bloomberg, last price alone")}
    source = FolderSource(write_files(tmp_path, files))
    assert source.coins == ["Y"]
    assert the_finding(lost(source.findings()), "unreadable_file").file == "X.csv"


def test_a_column_that_was_refused_may_be_named(tmp_path: Path) -> None:
    for what, column in (("a close that is not known", "Foo"), ("last and settle", "Last")):
        header, line, _ = REFUSED[what]
        reading = reading_of(tmp_path, written(header, line, BARS), columns={"close": column})
        assert days(reading) == [(bar.day, bar.close) for bar in BARS]


def test_many_coins_of_a_wide_table_may_have_names_of_fields(tmp_path: Path) -> None:
    coins = ["BTC", "HIGH", "ASK", *(f"COIN{c}" for c in "ABCDEFGHIJKLMNOPQRSTUVWX")]
    text = written(
        ",".join(["Date", *coins]), lambda b: ",".join([f"{b.day}", *[f"{b.close}"] * len(coins)])
    )
    assert FolderSource(write_files(tmp_path, {"wide.csv": text})).coins == sorted(coins)


def test_a_value_that_is_not_a_number_is_in_the_message(tmp_path: Path) -> None:
    text = "Date,Close\n2024-11-20,12%\n2024-11-21,1.5\n2024-11-22,3 USD\n2024-11-40,2\n"
    found = reading_of(tmp_path, text).findings
    assert told(lost(found), "line", "value", "message") == [
        (2, "12%", "close: no number"),
        (4, "3 USD", "close: no number"),
        (5, "2024-11-40", "date: no such day in the calendar"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Date,Close\n11/12/13,1\n11/12/14,1\n11/12/15,1\n", "day and year can't be told apart"),
        (
            "Date,Close\n01/02/24,1\n02/02/24,1\n03/02/24,1\n",
            "say which comes first with --dayfirst",
        ),
    ],
)
def test_days_of_two_digits_that_could_be_others_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    source = FolderSource(write_files(tmp_path, {"X.csv": text}))
    assert message in the_finding(lost(source.findings()), "unreadable_file").message


def test_a_close_that_is_empty_is_missing_in_every_row(tmp_path: Path) -> None:
    text = written("Date,Open,High,Low,Close", lambda b: f"{b.day},1,2,0.5,", BARS)
    source = FolderSource(write_files(tmp_path, {"X.csv": text}))
    assert told(lost(source.findings()), "message") == [("close: missing",)] * len(BARS)


# Columns that are empty in every row, beside which others of the same name are not.
EMPTY = {
    "copies of the date": (
        "open_time,open,high,low,close,open_time.1,open_time",
        lambda b: f"{b.day},{ohlc(b)},,",
    ),
    "the first of two closes": ("Date,Close,close", lambda b: f"{b.day},,{b.close}"),
    "the coin": ("Symbol,Date,Close", lambda b: f",{b.day},{b.close}"),
    "open, high and low": ("Date,Open,High,Low,Price", lambda b: f"{b.day},,,,{b.close}"),
    "equal copies": ("Date,Close,close", lambda b: f"{b.day},{b.close},{b.close}"),
    "all but the last rows of an equal copy": (
        "Date,Close,close",
        lambda b: f"{b.day},{b.close if b.day > BARS[30].day else ''},{b.close}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EMPTY)
def test_a_column_that_is_empty_in_every_row_is_not_one(tmp_path: Path, what: str) -> None:
    header, line = EMPTY[what]
    text = written(header, line, BARS)
    if what.startswith("all but"):
        with pytest.raises(SourceError, match="has 2 columns close"):
            FolderSource(write_files(tmp_path, {"X.csv": text}))
        return
    reading = reading_of(tmp_path, text)
    assert days(reading) == [(bar.day, bar.close) for bar in BARS]
    assert set(reading.findings["kind"]) == {"layout"}


def test_an_amount_that_is_empty_in_every_row_misses_nothing(tmp_path: Path) -> None:
    text = written("Date,Close,Volume,Market Cap", lambda b: f"{b.day},{b.close},,", BARS)
    assert set(reading_of(tmp_path, text).findings["kind"]) == {"layout"}
