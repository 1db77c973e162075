"""Coins by the names that people type."""

import string
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask import CryptoLoader
from cryptodask.errors import NoPricesError, SampleWarning, UnknownCoinError
from cryptodask.io.formulas import guard_frame
from cryptodask.prices.names import CoinNames
from cryptodask.prices.overview import list_coins
from cryptodask.runs import Session
from tests.prices.conftest import GOOD, write_files

NAMES = CoinNames(["Bitcoin", "Ether", "ether", "XRP"], {"Dead": "Dead: is empty"})


@pytest.mark.parametrize(
    ("name", "coin"),
    [("Bitcoin", "Bitcoin"), ("bitcoin", "Bitcoin"), ("BITCOIN", "Bitcoin"), ("xrp", "XRP"),
     ("Ether", "Ether"), ("ether", "ether"), ("ETHER", None), ("bit", None), ("", None),
     ("dead", "Dead")],
)  # fmt: skip
def test_a_name_finds_the_only_coin_that_it_can_mean(name: str, coin: str | None) -> None:
    assert NAMES.find(name) == coin


def test_what_finds_none_is_refused_with_what_is_near() -> None:
    with pytest.raises(UnknownCoinError, match="may be Ether or ether; write it as one of them"):
        NAMES.check("ETHER")
    with pytest.raises(UnknownCoinError, match="did you mean Bitcoin"):
        NAMES.check("bitcon")
    with pytest.raises(UnknownCoinError, match="get_crypto_names"):
        NAMES.check("zzzz")
    with pytest.raises(NoPricesError, match="Dead: is empty"):
        NAMES.check("DEAD")


def test_a_symbol_finds_its_coin_after_names() -> None:
    names = CoinNames(["Bitcoin", "XRP"], {}, {"BTC": "Bitcoin", "xrp": "Bitcoin"})
    assert names.find("btc") == "Bitcoin"
    assert names.find("xrp") == "XRP"


KAGGLE = "SNo,Name,Symbol,Date,Close\n"


def test_files_and_frames_tell_symbols(tmp_path: Path) -> None:
    files = {
        "coin_Bitcoin.csv": f"{KAGGLE}1,Bitcoin,BTC,2024-01-01,1\n",
        "coin_Ether.csv": f"{KAGGLE}1,Ether,ETH,2024-01-01,2\n2,Ether,ETH,2024-01-02,3\n",
        "two.csv": f"{KAGGLE}1,Acoin,SAME,2024-01-01,2\n2,Bcoin,SAME,2024-01-01,3\n",
        "plain.csv": "Date,Close\n2024-01-01,1\n",
    }
    loader = CryptoLoader(write_files(tmp_path, files))
    assert loader.source.symbols == {"BTC": "Bitcoin", "ETH": "Ether"}  # type: ignore[attr-defined]
    assert loader["btc"]["close"].tolist() == [1.0]
    assert list_coins(loader.source)["symbol"].tolist() == ["", "", "BTC", "ETH", ""]
    with pytest.raises(UnknownCoinError):
        loader["SAME"]
    frame = pd.read_csv(tmp_path / "coin_Ether.csv")
    assert CryptoLoader(frame)["eth"]["close"].tolist() == [2.0, 3.0]


@given(st.lists(st.text(string.ascii_letters, min_size=1), min_size=1, unique=True), st.data())
def test_a_known_name_is_always_itself(coins: list[str], data: st.DataObject) -> None:
    names = CoinNames(coins, {})
    coin = data.draw(st.sampled_from(coins))
    assert names.find(coin) == coin
    alone = sum(other.casefold() == coin.casefold() for other in coins) == 1
    assert names.find(coin.swapcase()) == (coin if alone else names.find(coin.swapcase()))


def test_a_loader_is_a_collection_of_coins(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=3)
    frame = pd.DataFrame({"coin": "Bitcoin", "date": days, "close": [1.0, 2.0, 3.0]})
    loader = CryptoLoader(pd.concat([frame, frame.assign(coin="<b>Ether")]))
    assert len(loader) == 2
    assert list(loader) == ["<b>Ether", "Bitcoin"]
    assert "Bitcoin" in loader
    assert "bitcoin" in loader
    assert "Litecoin" not in loader
    assert 3 not in loader
    assert loader["bitcoin"]["close"].tolist() == [1.0, 2.0, 3.0]
    assert loader.get_df(["BITCOIN", "Bitcoin"])["coin"].tolist() == ["Bitcoin"] * 3
    with pytest.raises(UnknownCoinError, match="did you mean Bitcoin"):
        loader["Bitcoins"]
    assert repr(loader) == "CryptoLoader(2 coins, daily bars, pandas DataFrame)"
    page = loader._repr_html_()
    assert "&lt;b&gt;Ether" in page
    assert "<b>Ether" not in page
    assert Session(loader).choose_coins(["bitcoin"], ["naive"]) == (["Bitcoin"], [])


def test_a_file_that_gives_no_row_is_not_in_the_collection(tmp_path: Path) -> None:
    loader = CryptoLoader(write_files(tmp_path, {"A.csv": GOOD, "Dead.csv": ""}))
    assert "Dead" not in loader
    assert len(loader) == 1
    coins, failures = Session(loader).choose_coins(["a", "dead"], ["naive"])
    assert (coins, [failure.coin for failure in failures]) == (["A"], ["Dead"])


def test_without_a_source_it_is_the_sample_and_says_so() -> None:
    with pytest.warns(SampleWarning, match="this is the sample: 100 made-up coins"):
        loader = CryptoLoader()
    assert "sample of made-up coins" in repr(loader)
    assert loader.location is None
    assert len(loader["kisevitoy"]) == 11


@pytest.mark.parametrize("name", ["=cmd|calc", "-x", "@SUM(A1)", "+1", "'=x"])
def test_names_that_our_csv_files_guard_are_read_as_they_were(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"coin": [name, "B"], "date": pd.Timestamp("2024-01-01"), "close": 1.0})
    file = tmp_path / "prices.csv"
    guard_frame(frame).to_csv(file, index=False)
    assert f"'{name}," in file.read_text()
    for source in (file, pd.read_csv(file), tmp_path):
        assert CryptoLoader(source).get_crypto_names() == sorted([name, "B"])
    wide = tmp_path / "wide"
    wide.mkdir()
    (wide / "prices.csv").write_text(f"Date,'{name},B\n2024-01-01,1,2\n2024-01-02,1,2\n")
    assert CryptoLoader(wide).get_crypto_names() == sorted([name, "B"])
