import re
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.errors import OptionError
from cryptodask.prices import synthetic
from cryptodask.prices.synthetic import BROKEN, coin_name, synthetic_prices, write_sample

DATA = Path(__file__).parents[2] / "data"
HEADER = "Date,Open,High,Low,Close,Volume,Market Cap"
seeds = st.integers(0, 2**40)
few = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return synthetic_prices(60, 1_200, seed=7)


@pytest.fixture(scope="module")
def returns(table: pd.DataFrame) -> pd.DataFrame:
    """Log returns of the coins that have at least 300 days, a column a coin."""
    closes = table.pivot(index="date", columns="coin", values="close")
    return np.log(closes.loc[:, closes.count() >= 300]).diff()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    synthetic.main([str(folder), "--seed", "0"])
    return folder


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, thousands=",", na_values="-")


def test_schema(table: pd.DataFrame) -> None:
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "coin": "str",
        "date": "datetime64[s]",
        **dict.fromkeys(["open", "high", "low", "close", "volume", "market_cap"], "float64"),
    }
    assert table.index.equals(pd.RangeIndex(len(table)))
    assert table["coin"].nunique() == 60


@few
@given(
    seed=seeds,
    n_coins=st.integers(4, 40),
    n_days=st.integers(3, 150),
    short=st.lists(st.integers(1, 3), max_size=2),
    broken=st.lists(st.sampled_from(BROKEN), max_size=2),
)
def test_every_table_is_sorted_unique_and_keeps_the_order_of_prices(
    seed: int, n_coins: int, n_days: int, short: list[int], broken: list[str]
) -> None:
    table = synthetic_prices(n_coins, n_days, seed=seed, short=short, broken=broken)
    keys = table[["coin", "date"]]
    assert keys.equals(keys.sort_values(["coin", "date"], ignore_index=True))
    assert not keys.duplicated().any()
    assert (table["low"] > 0).all()
    assert (table["low"] <= table[["open", "close"]].min(axis=1)).all()
    assert (table["high"] >= table[["open", "close"]].max(axis=1)).all()
    assert np.isfinite(table[["open", "high", "low", "close"]]).all(axis=None)
    assert not (table[["volume", "market_cap"]] <= 0).any(axis=None)
    assert set(table["coin"]) == {coin_name(number) for number in range(n_coins)}


@few
@given(seed=seeds, few_coins=st.integers(1, 12), more=st.integers(1, 30), days=st.integers(1, 130))
def test_more_coins_change_no_coin(seed: int, few_coins: int, more: int, days: int) -> None:
    small = synthetic_prices(few_coins, days, seed=seed)
    large = synthetic_prices(few_coins + more, days, seed=seed)
    kept = large[large["coin"].isin(set(small["coin"]))].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, small, check_exact=True)


def test_the_size_of_a_batch_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = synthetic_prices(11, 200, seed=3)
    monkeypatch.setattr(synthetic, "_COIN_DAYS_AT_ONCE", 600)
    pd.testing.assert_frame_equal(synthetic_prices(11, 200, seed=3), whole, check_exact=True)


def test_the_seed_decides() -> None:
    first, again, other = (synthetic_prices(5, 150, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not np.array_equal(first["close"], other["close"])


@pytest.mark.parametrize("end", ["2020-02-29", date(2020, 2, 29), pd.Timestamp("2020-02-29 13:00")])
def test_every_coin_ends_at_the_end(end: str | date) -> None:
    table = synthetic_prices(5, 40, end=end)
    assert (table.groupby("coin")["date"].max() == pd.Timestamp("2020-02-29")).all()
    pd.testing.assert_frame_equal(
        table.drop(columns="date"), synthetic_prices(5, 40).drop(columns="date"), check_exact=True
    )


def test_coins_begin_on_different_days_and_trade_every_day(table: pd.DataFrame) -> None:
    days = table.groupby("coin")["date"].agg(["min", "max", "count"])
    assert days["min"].nunique() > 50
    assert days["count"].between(100, 1_200).all()
    assert ((days["max"] - days["min"]).dt.days + 1 == days["count"]).all()


def test_a_day_opens_at_the_last_close(table: pd.DataFrame) -> None:
    before = table.groupby("coin")["close"].shift()
    assert (table["open"] == before)[before.notna()].all()


def test_short_and_broken_coins() -> None:
    table = synthetic_prices(12, 900, short=(5, 40), broken=("gap", "constant"), seed=4)
    coins = dict(iter(table.groupby("coin")))
    short, longer, gappy, constant, sound = (coins[coin_name(number)] for number in range(5))
    assert (len(short), len(longer)) == (5, 40)
    jumps = gappy["date"].diff().dt.days.dropna()
    assert (jumps > 1).sum() == 1
    span = (gappy["date"].max() - gappy["date"].min()).days + 1
    assert jumps.max() == pytest.approx(span / 3, abs=2)
    assert constant[["open", "high", "low", "close"]].nunique().tolist() == [1, 1, 1, 1]
    assert constant["close"].iloc[0] == constant["open"].iloc[0] == constant["high"].iloc[0]
    plain = synthetic_prices(12, 900, seed=4)
    assert sound["close"].tolist() == plain.loc[plain["coin"] == coin_name(4), "close"].tolist()


def test_fat_tails(returns: pd.DataFrame) -> None:
    assert returns.kurt().median() > 3.0
    assert (returns.kurt() > 0.5).mean() > 0.9


def test_volatility_clusters_and_returns_do_not(returns: pd.DataFrame) -> None:
    own = returns.apply(lambda r: r.autocorr(1))
    size = returns.abs().apply(lambda r: r.autocorr(1))
    a_week = returns.abs().apply(lambda r: r.autocorr(7))
    assert size.median() > 0.15
    assert a_week.median() > 0.05
    assert (size > own.abs()).mean() > 0.75
    assert -0.3 < own.median() < 0.05


def test_coins_move_together(returns: pd.DataFrame) -> None:
    together = returns.corr(min_periods=200).to_numpy()
    assert 0.08 < np.nanmean(together[np.triu_indices_from(together, 1)]) < 0.5


def test_volume_rises_with_volatility(table: pd.DataFrame, returns: pd.DataFrame) -> None:
    volumes = np.log(table.pivot(index="date", columns="coin", values="volume"))[returns.columns]
    activity = volumes - volumes.rolling(30).mean()
    assert returns.abs().corrwith(activity).median() > 0.2


def test_prices_span_many_sizes_and_none_is_absurd() -> None:
    closes = synthetic_prices(400, 500, seed=1)["close"]
    assert closes.min() < 1e-4
    assert closes.max() > 1e3
    assert closes.between(1e-9, 1e7).all()


def test_some_volumes_and_market_caps_are_missing(table: pd.DataFrame) -> None:
    missing = table[["volume", "market_cap"]].isna()
    assert 0.0 < missing["volume"].mean() < 0.1
    assert 0.0 < missing["market_cap"].mean() < 0.3
    supply = (table["market_cap"] / table["close"]).groupby(table["coin"])
    np.testing.assert_allclose(supply.max(), supply.min(), rtol=1e-9)


def test_names_are_unique_and_safe() -> None:
    names = [coin_name(number) for number in [*range(150_000), 10**9]]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Z][a-z]{8,20}", name) for name in names)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_two_numbers_have_two_names(one: int, other: int) -> None:
    assert (coin_name(one) == coin_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_coins": 0}, "n_coins .* from 1 .* got 0"),
        ({"n_days": 0}, "n_days .* from 1 .* got 0"),
        ({"n_days": 2.5}, "n_days .* got 2.5"),
        ({"seed": -1}, "seed .* from 0 .* got -1"),
        ({"end": "soon"}, "end .* got 'soon'"),
        ({"end": "NaT"}, "end .* got 'NaT'"),
        ({"short": (3, 0)}, "short .* from 1 to 50, got 0"),
        ({"short": (51,)}, "short .* from 1 to 50, got 51"),
        ({"broken": ("gap", "torn")}, "broken .*'constant', 'gap'.* got 'torn'"),
        ({"n_coins": 1, "short": (3,), "broken": ("gap",)}, "n_coins of at least 2, got 1"),
    ],
)
def test_an_argument_out_of_range_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        synthetic_prices(**{"n_coins": 3, "n_days": 50, **options})  # type: ignore[arg-type]


def test_the_committed_sample_is_what_the_generator_writes(sample: Path) -> None:
    written = {path.name: path.read_bytes() for path in sample.iterdir()}
    committed = {path.name: path.read_bytes() for path in DATA.glob("*.csv")}
    assert sorted(written) == sorted(committed)
    assert [name for name in written if written[name] != committed[name]] == []


def test_the_sample_has_a_hundred_files_of_eighty_thousand_rows(sample: Path) -> None:
    texts = [path.read_bytes() for path in sample.iterdir()]
    assert len(texts) == 100
    assert 75_000 < sum(text.count(b"\n") - 1 for text in texts) < 85_000
    assert sum(map(len, texts)) < 6_000_000
    assert all(text.startswith(HEADER.encode() + b"\n") and b"\r" not in text for text in texts)


def test_the_sample_has_the_layout_of_listings(sample: Path) -> None:
    cell = r"(?:\d{1,3}(?:\.\d+)?|0\.\d+|\"\d{1,3}(?:,\d{3})+\"|-)"
    price = r"\d+(?:\.\d+)?"
    line = re.compile(rf'"[A-Z][a-z]{{2}} \d\d, 20\d\d",(?:{price},){{4}}{cell},{cell}')
    for number in (0, 1, 8, 9, 10, 50):
        _, *rows = (sample / f"{coin_name(number)}.csv").read_text().splitlines()
        assert [row for row in rows if not line.fullmatch(row)] == []
        dates = pd.to_datetime(read(sample / f"{coin_name(number)}.csv")["Date"])
        assert all(newer > older for newer, older in pairwise(dates))


def test_a_file_holds_the_table_to_six_digits(sample: Path) -> None:
    table = synthetic_prices(short=(11, 34, 51), broken=BROKEN)
    for number in (2, 8, 30):
        expected = table[table["coin"] == coin_name(number)].iloc[::-1]
        file = read(sample / f"{coin_name(number)}.csv")
        assert pd.to_datetime(file["Date"]).tolist() == expected["date"].tolist()
        for column, name in [("Open", "open"), ("Close", "close"), ("Market Cap", "market_cap")]:
            np.testing.assert_allclose(file[column], expected[name], rtol=5.1e-6)
        np.testing.assert_allclose(file["Volume"], expected["volume"], rtol=1e-3)


def test_the_defects_are_where_the_docstring_says(sample: Path) -> None:
    said = re.findall(r"``([A-Z]\w+toy)``", write_sample.__doc__ or "")
    assert said == [coin_name(number) for number in range(8)]
    files = [read(sample / f"{coin}.csv") for coin in said]
    assert [len(file) for file in files[:3]] == [11, 34, 51]
    assert files[3]["Close"].nunique() == 1
    assert pd.to_datetime(files[4]["Date"]).diff().dt.days.min() < -100
    dates = pd.to_datetime(files[5]["Date"], format="%b %d, %Y", errors="coerce")
    assert dates[dates.isna()].index.tolist() == [9, 19, 29]
    assert files[6].index[files[6]["Close"] == "unknown"].tolist() == [9, 19, 29]
    assert (sample / f"{said[7]}.csv").read_text() == HEADER + "\n"


def test_the_sample_refuses_a_seed_below_zero(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="seed"):
        write_sample(tmp_path / "new", seed=-1)
    assert not (tmp_path / "new").exists()
