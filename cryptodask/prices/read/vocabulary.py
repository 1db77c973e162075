"""The names that headers have for columns, in the systems and languages that export prices."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache

CURRENCIES = (
    "usdt", "usdc", "busd", "usd", "eur", "gbp", "jpy", "krw", "chf", "aud", "cad", "inr", "brl",
    "try", "rub", "cny",
)  # fmt: skip

_CURRENCY = re.compile(rf"(?:in)?(?:{'|'.join(CURRENCIES)})$")

_NUMBERED = re.compile(r"^\s*[0-9]{1,2}[a-z]?[.)]\s+", re.IGNORECASE)  # Alpha Vantage's "4. close"

_TODAY = re.compile(r"(?<![0-9a-z])24\s?h(?:rs?|ours?)?(?![a-z])", re.IGNORECASE)


@cache
def header_key(name: str) -> str:
    """Return a header as it is compared: letters of any script, in lower case, without accents.

    Parameters
    ----------
    name : str
        As a file has it: ``Eröffn.``, ``<CLOSE>``, ``4. close``, ``24h Open (USD)``.
    """
    text = _TODAY.sub("", _NUMBERED.sub("", name).replace("_", " "))
    text = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in text if c.isalpha())


def _keys(*groups: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(header_key(word) for word in group.split()) for group in groups)


ALIASES: Mapping[str, tuple[frozenset[str], ...]] = {
    # German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Turkish, the languages
    # of the north, Japanese, Chinese, Korean: those that Investing.com, Stooq and banks export.
    "date": _keys(
        "date", "dateutc",
        "datum fecha data дата tarih dato päiväys pvm 日付 日付け 日期 날짜",
        "dates tradedate tradingdate tradingday exchangedate observationdate pricedate asofdate ds",
        "day", "datetime dateandtime datetimeutc dateheure", "snappedat",
        "timeperiodstart periodstart candlebegintime", "timeopen", "opentime", "opentimeutc",
        "openutc", "timestamp timestamputc timestampms", "time timeutc utctime gmttime localtime",
        "unix", "unixtime", "unixtimestamp", "start starttime begin",
        "ts dt mts epoch epochtime zeit zeitpunkt zeitstempel horodatage время",
        "closetime timeclose", "end endtime periodend timeperiodend",
    ),
    "coin": _keys(
        "coin uniqueid", "name", "coinname cryptoname", "cryptocurrency", "crypto", "symbol",
        "ticker tic", "pair", "slug", "asset", "token",
        "coinid cryptoid assetid tokenid symbolid", "cryptosymbol coinsymbol assetsymbol "
        "tokensymbol tickersymbol", "assetname tokenname fullname",
        "instrument instrumentid instid instrumentname", "productid product",
        "security securityid securityname ric", "tradingpair currencypair pairname marketpair",
        "currencyname currencysymbol currencyid", "kryptowährung criptomoneda cryptomonnaie "
        "criptovaluta criptomoeda", "symbole símbolo simbolo nombre nom nome",
    ),
    "open": _keys(
        "open", "openprice", "priceopen openingprice opening pxopen openpx openprc",
        "eröffn eröffnung eröffnungskurs erster ouv ouverture apertura abertura otwarcie откр "
        "открытие açılış öppen öppning åben åbning åpning avaus 始値 开盘 开盘价 시가",
    ),
    "high": _keys(
        "high", "highprice", "pricehigh highestprice pxhigh highpx",
        "hoch tageshoch höchst höchstkurs plushaut haut max máximo massimo máxima alto hoog "
        "najwyższy макс максимум yüksek högst høj høy ylin 高値 高 最高 最高价 고가",
    ),
    "low": _keys(
        "low", "lowprice", "pricelow lowestprice pxlow lowpx",
        "tief tagestief tiefst tiefstkurs plusbas bas min mínimo minimo mínima bajo basso baixo "
        "laag najniższy мин минимум düşük lägst lav alin 安値 低 最低 最低价 저가",
    ),
    "close": _keys(
        "close", "closeprice", "priceclose closingprice closing pxclose",
        "schluss schlusskurs schlusspreis clôture coursdeclôture cierre preciocierre "
        "chiusura fechamento fecho slot slotkoers zamknięcie закрытие kapanış 終値 收盘 "
        "收盘价 종가",
        "price", "closelast", "priceusd",
        "kurs preis prix cours precio prezzo preço prijs koers cena цена fiyat 价格",
        "marketprice referencerateusd referencerate",
        "adjclose adjustedclose closeadj",
        "last lastprice lastpx pricelast pxlast latest lasttrade lasttradeprice "
        "trdprc settle settlement "
        "settlementprice settleprice pxsettle zuletzt letzter letzterkurs letzterpreis dernier "
        "derniercours último ultimo últimoprecio ultimoprezzo ultimopreco laatst laatste ostatnio "
        "şimdi son senaste seneste siste viimeisin poslední последняя",
    ),
    "volume": _keys(
        "volume", "totalvolume", "volumeusd", "volumeusdt", "volumeusdc", "totalvolumes",
        "vol volumetraded pxvolume acvol accvol volumen volym wol wolumen hac hacim umsatz объем "
        "объём 出来高 交易量 成交量 거래량",
    ),
    "market_cap": _keys(
        "marketcap", "marketcapusd", "marketcapitalization marketcapitalisation", "marketcaps",
        "mcap capmrktcurusd marktkapitalisierung capitalisationboursière",
    ),
}  # fmt: skip
"""Column -> groups of names of it, as `header_key` has them; groups that come first win."""

UNSURE_CLOSES = frozenset().union(*ALIASES["close"][-1:])
"""Names of a close that may be of something else, so that values must agree."""

WEAK_COINS = _keys(
    "code", "base baseasset basecurrency basesymbol baseid", "fromsymbol fsym", "contract",
    "market", "currency währung devise moneda divisa", "id", "key", "item series variable entity",
    "underlying", "commodity",
)  # fmt: skip
"""Names that coins may go by, and much else: taken only where they tell rows of a date apart."""

TICKERS = _keys("symbol ticker tic coinsymbol cryptosymbol tickersymbol assetsymbol ric")[0]
"""Names of a coin column whose names may all be numbers, such as 007."""

CLOCKS = _keys(
    "time timeutc hour hours clock zeit uhrzeit heure hora ora uur tijd godzina "
    "время saat tid 時刻 时间"
)[0]
"""Names of a column with the time of day beside one with the day."""

OPEN_STAMPS = _keys("timeopen opentime opentimeutc openutc timeperiodstart periodstart "
                    "candlebegintime")[0]  # fmt: skip
"""Names of dates that are the open of a bar."""

CLOSE_STAMPS = _keys("closetime timeclose end endtime periodend timeperiodend")[0]
"""Names of dates that are the close of a bar."""

QUOTE_VOLUME = (
    "quotevolume", "quoteassetvolume", "volumequote", "turnover", "volumeusd", "volumeusdt",
    "volumeusdc", "volumebusd", "volumeto", "volumecurrency", "volccyquote",
)  # fmt: skip
"""Names of the volume in the quote currency."""

NOT_COIN_COLUMNS = {"", "unnamed", "index", "indexlevel", "sno"}
"""Names of a column of row numbers."""

FIELDS = frozenset().union(*_keys(
    "bid ask mid bidprice askprice midprice bidsize asksize spread change changepct pctchange chg "
    "pctchg netchange net variation var variazione verschil diff fark zmiana vwap vw weightedprice "
    "average avg mean median value trades count numberoftrades tradescount tradecount ntrades "
    "openinterest openint previousdayopeninterest turnover amount quotevolume quoteassetvolume "
    "basevolume volumefrom volumeto volumebtc volumeeth takerbuybaseassetvolume "
    "takerbuyquoteassetvolume return returns logreturn dividends stocksplits sma ema rsi macd "
    "ignore block tickvol stücke stückzahl supply circulatingsupply rank dominance изм "
    "涨跌幅 変化率 변동"
))  # fmt: skip
"""Names of what else files have of one coin and day: a column of these is not a coin."""

_LETTERS = {"t": "time", "o": "open", "h": "high", "l": "low", "c": "close", "v": "volume",
            "q": "quotevolume", "s": "symbol", "n": "trades"}  # fmt: skip


@lru_cache(maxsize=256)  # a folder has few headers
def header_keys(header: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of a header, with the single letters of exchanges written out.

    Letters count where high, low and close are among them, in one case: ``T`` of Binance's streams
    is another column than ``t``.

    Parameters
    ----------
    header : tuple of str, ``(width,)``
    """
    names = [name.strip() for name in header]
    if "ds" in names and "y" in names:  # as libraries of forecasts have them
        return tuple("close" if name == "y" else header_key(name) for name in names)
    for letters in (_LETTERS, {letter.upper(): word for letter, word in _LETTERS.items()}):
        if {"h", "l", "c"} <= {name.lower() for name in names if name in letters}:
            return tuple(letters.get(n, header_key(n) if len(n) > 1 else "other") for n in names)
    return tuple(header_key(name) for name in names)


@lru_cache(maxsize=4_096)  # a folder has few headers
def places_in(keys: tuple[str, ...], group: frozenset[str]) -> tuple[int, ...]:
    """Return the places of the columns that a group of names has.

    A currency behind a name (``closeusd``) counts where no column has the name alone.

    Parameters
    ----------
    keys : tuple of str, ``(width,)``
        As of `header_keys`.
    group : frozenset of str
    """
    if exact := tuple(i for i, key in enumerate(keys) if key in group):
        return exact
    return tuple(i for i, key in enumerate(keys) if _CURRENCY.sub("", key) in group and key)


def is_known(key: str) -> bool:
    """Return whether a header's key is that of a price, an amount or another field of a coin.

    Parameters
    ----------
    key : str
        As of `header_key`.
    """
    words = {key, _CURRENCY.sub("", key)} - {""}
    prices = (name for name in ALIASES if name not in ("date", "coin"))
    return bool(words & FIELDS) or any(words & group for name in prices for group in ALIASES[name])
