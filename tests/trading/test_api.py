"""`simulate`: from a backtest's folder and its prices to figures, orders, fills and a page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import backtest
from cryptodask.dashboard.trading_page import save_trading, trades_of
from cryptodask.errors import InputError, OptionError
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.results import Backtest, open_backtest
from cryptodask.trading import Account, Costs, simulate
from cryptodask.trading.market import read_market
from cryptodask.trading.parts import CASH, EQUAL, HOLDING
from tests.cli.command import inside, run
from tests.conftest import Cluster, write_folder

RULES = ["drift", "drift:probability=0.6,hold=3", "momentum:lookback=20,top=3"]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trading") / "prices"
    return write_folder(folder, synthetic_prices(8, 200, seed=3))


@pytest.fixture(scope="module")
def folder(prices: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backtest of drift at twelve origins."""
    out = tmp_path_factory.mktemp("trading") / "run"
    with Client(cluster.address) as client:
        backtest(str(prices), ["drift"], 5, origins=12, out=str(out), client=client, progress=False)
    return out


def test_rules_beside_holding_and_cash(folder: Path) -> None:
    result = simulate(folder, rules=RULES, costs=Costs(fee=0.001), account=Account(cash=1000))
    assert f"coins: 8; dates: {len(result.dates)}, " in repr(result)
    assert f"fills: {len(result.fills):,}" in repr(result)
    figures = result.figures.set_index("rule")
    assert list(figures.index) == [*RULES, HOLDING, EQUAL, CASH]
    assert figures.loc[CASH, "return"] == 0
    assert set(result.orders["rule"]) == {*RULES, HOLDING, EQUAL}
    last = result.equity.groupby("rule")["equity"].last()
    returns = figures["return"]
    assert dict(last / 1000 - 1) == pytest.approx(dict(returns.reindex(last.index)))
    profits = result.coins.groupby("rule")["profit"].sum()
    assert dict(profits / 1000) == pytest.approx(dict(returns.reindex(profits.index)))
    origins = set(result.orders.loc[result.orders["rule"] == RULES[0], "decided"])
    assert len(origins) <= 12


def test_coins_that_a_model_never_forecast_are_named(cluster: Cluster, tmp_path: Path) -> None:
    rows = synthetic_prices(4, 150, seed=3)
    rows.loc[rows["coin"] == rows["coin"].iloc[0], ["open", "high", "low", "close"]] = 2.5
    prices = write_folder(tmp_path / "prices", rows)
    with Client(cluster.address) as client:
        backtest(str(prices), ["naive", "linear"], 5, origins=6, out=str(tmp_path / "run"),
                 client=client, progress=False)  # fmt: skip
    result = simulate(tmp_path / "run", rules=["linear", "naive", "hold"])
    constant = rows["coin"].iloc[0]
    assert result.untraded.values.tolist() == [["linear", constant]]
    done = run("simulate", tmp_path / "run", "--rule", "linear", "--rule", "naive")
    told = f"linear: 1 coin of the backtest without a forecast, never traded: {constant}"
    assert told in done.stderr


def test_equal_parts_by_hand() -> None:
    """Cash of 303 for A, B and C, which are there at first; D begins later and is not bought."""
    dates = pd.date_range("2020-01-01", periods=6)
    closes = {
        "A": [10.0, 10, 10, 10, 20, 30],
        "B": [10.0, 10, 10, 5, 5, 5],
        "C": [10.0, 10, 10, 10, 10, None],  # has no row on the last day
        "D": [None, None, None, 1.0, 100, 100],
    }
    frame = pd.concat(
        [pd.DataFrame({"coin": coin, "date": dates, "open": prices, "close": prices}).dropna()
         for coin, prices in closes.items()]
    )  # fmt: skip
    rows = [
        (coin, "naive", dates[at], dates[at + 1], 1, closes[coin][at], closes[coin][at],
         closes[coin][at + 1])
        for at in (1, 4) for coin in closes if closes[coin][at] is not None
    ]  # fmt: skip
    names = ["coin", "model", "cutoff", "date", "step", "forecast", "last", "actual"]
    table = pd.DataFrame(rows, columns=names).assign(lower_80=np.nan, upper_80=np.nan)
    given = Backtest(["naive"], 1, dates[[1, 4]].to_numpy(), frame=table)
    result = simulate(given, frame, "naive", account=Account(cash=303), costs=Costs(fee=0.01))
    # 101 for each pay 10 coins of each at the opens of day 3, and the fees. At the end they are
    # worth 300, 50 and, by its last close, 100.
    equal = result.equity[result.equity["rule"] == EQUAL]["equity"].tolist()
    assert equal == pytest.approx([303, 300, 250, 350, 450])
    fills = result.fills[result.fills["rule"] == EQUAL]
    assert fills["coin"].tolist() == ["A", "B", "C"]
    assert fills[["quantity", "fee"]].to_numpy().ravel() == pytest.approx([10.0, 1.0] * 3)
    assert (fills["date"] == dates[2]).all()
    # Holding each coin is with a quarter of the cash; that of D is idle until it is there.
    each = result.coins[result.coins["rule"] == HOLDING].set_index("coin")["profit"]
    share = 303 / 4 / 1.01
    assert each.to_dict() == pytest.approx({
        "A": 2 * share - 0.01 * share, "B": -0.51 * share, "C": -0.01 * share,
        "D": -0.01 * share,
    })  # fmt: skip


def test_more_rules_tried_make_less_sure(folder: Path) -> None:
    few = simulate(folder, rules=RULES).figures.set_index("rule")["deflated"]
    many = simulate(folder, rules=RULES, tried=1000).figures.set_index("rule")["deflated"]
    known = few.dropna().index
    assert len(known)
    # A rule that is above luck for sure, or below it, stays so.
    assert (many[known] <= few[known]).all()
    assert (many[known] < few[known]).any()
    with pytest.raises(OptionError, match="tried: must be at least the 3 rules"):
        simulate(folder, rules=RULES, tried=2)


def test_other_prices_are_refused_by_coin_and_date(folder: Path, prices: Path) -> None:
    frame = read_frame(prices)
    rows = frame.index[frame["coin"] == frame["coin"].iloc[-1]]
    frame.loc[rows[-3], "close"] *= 1.01
    with pytest.raises(InputError, match=r"saw a close of .* at 20.* and these prices have"):
        simulate(folder, frame, RULES)
    with pytest.raises(InputError, match="these prices have no close"):
        simulate(folder, read_frame(prices).drop(index=rows[-3]), RULES)


def read_frame(prices: Path) -> pd.DataFrame:
    from cryptodask.prices import CryptoLoader

    return CryptoLoader(str(prices)).get_df()


def test_prices_in_memory_give_the_same(folder: Path, prices: Path) -> None:
    named = simulate(folder, rules=RULES)
    given = simulate(folder, read_frame(prices), RULES)
    pd.testing.assert_frame_equal(named.fills, given.fills)


def test_prices_without_opens_are_filled_at_closes(folder: Path, prices: Path) -> None:
    frame = read_frame(prices).assign(open=np.nan)
    result = simulate(folder, frame, RULES)
    assert result.fills_at == "next close"
    market = read_market(_loader(frame), list(result.names), *result.dates[[0, -1]])
    fill = result.fills.iloc[0]
    row = np.flatnonzero(market.dates == fill["date"])[0]
    assert fill["price"] == market.close[row, market.coins.index(fill["coin"])]


def _loader(frame: pd.DataFrame) -> Any:
    from cryptodask.prices import CryptoLoader

    return CryptoLoader(frame)


def test_what_makes_no_sense_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="drift is given twice"):
        simulate(folder, rules=["drift", "drift"])
    with pytest.raises(OptionError, match="rules: give one at least"):
        simulate(folder, rules=[])
    with pytest.raises(InputError, match="a backtest in memory names none"):
        simulate(Backtest(["naive"], 5, np.array([], "datetime64[s]")), rules="naive")
    with pytest.raises(InputError, match="holds something other than a simulation"):
        simulate(folder, rules="drift").write(folder)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="holds something other than a simulation"):
        simulate(folder, rules="drift").write(tmp_path / "file")


def test_rules_that_would_decide_on_nothing_are_refused(folder: Path, prices: Path) -> None:
    """Whether their results are made at once or in two passes."""
    opened = open_backtest(folder)
    table = opened.get_df()
    frame = read_frame(prices)

    def given(**columns: Any) -> Backtest:
        return replace(opened, path=None, files=(), frame=table.assign(**columns))

    without_bounds = given(lower_80=np.nan, upper_80=np.nan)
    failed = given(forecast=table["forecast"].where(table["model"] != "drift"))
    cases: list[tuple[Any, str, str]] = [
        (without_bounds, "drift:probability=0.6", "has no intervals of drift"),
        (failed, "drift", "the backtest has no forecast of drift"),
        (opened, "momentum:lookback=5000", "no coin has a bar 5000 bars before any origin"),
        (given(forecast=np.nan), "drift", "has no forecast, so there is nothing to trade"),
        (replace(opened, path=None, files=(), frame=table[:0]), "drift", "has no forecast"),
    ]
    for some, rule, message in cases:
        for shared in (False, True):
            with pytest.raises(OptionError, match=message):
                simulate(some, frame, rule, account=Account(shared=shared))
    with pytest.raises(OptionError, match="short: only rules that are functions sell short"):
        simulate(folder, rules="drift", account=Account(short=True))


def test_costs_that_need_volumes_are_refused_only_where_there_are_none(
    folder: Path, prices: Path
) -> None:
    frame, costs = read_frame(prices), Costs(participation=0.1)
    first = frame["coin"] == frame["coin"].iloc[0]
    for shared in (False, True):
        account = Account(shared=shared)
        with pytest.raises(OptionError, match="participation: prices have no volume"):
            simulate(folder, frame.assign(volume=np.nan), "drift", costs=costs, account=account)
        some = frame.assign(volume=frame["volume"].where(~first))
        result = simulate(folder, some, "drift", costs=costs, account=account)
        assert frame["coin"].iloc[0] not in set(result.fills["coin"])
        orders = result.orders[result.orders["coin"] == frame["coin"].iloc[0]]
        assert set(orders["state"]) <= {"open", "replaced"}


def test_a_page_has_the_coins_that_moved_most_and_their_fills(folder: Path, tmp_path: Path) -> None:
    result = simulate(folder, rules=RULES)
    coins, closes, fills = trades_of(result)
    traded = result.coins[
        ~result.coins["rule"].isin((HOLDING, EQUAL)) & (result.coins["fills"] > 0)
    ]
    assert set(coins) == set(traded["coin"])
    assert len(closes) == np.isfinite(result.market(coins).close).sum()
    assert len(fills) == result.fills["coin"].isin(coins).sum()
    save_trading(tmp_path / "page.html", result)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for text in ("Simulated trades", "Drawdown", "momentum:lookback=20,top=3"):
        assert text in page


def test_a_page_where_no_rule_traded(folder: Path, tmp_path: Path) -> None:
    save_trading(tmp_path / "page.html", simulate(folder, rules="naive"))
    assert "No rule traded." in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_command_prints_a_table_and_writes_frames_and_a_page(
    folder: Path, tmp_path: Path
) -> None:
    words = [word for rule in RULES for word in ("--rule", rule)]
    done = run("simulate", folder, *words, "--fee", 0.001, "--slippage", 0.002, "--cash", 5000,
               "--out", tmp_path / "out", "--report", tmp_path / "page.html")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 coins, " in done.stdout
    assert "\nhold each coin " in done.stdout
    assert "filled at the next open" in done.stdout
    assert "\ndrift:probability=0.6, hold=3 " in done.stdout
    result = simulate(folder, rules=RULES, costs=Costs(fee=0.001, slippage=0.002),
                      account=Account(cash=5000))  # fmt: skip
    for name, frame in result.tables().items():
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "out" / f"{name}.parquet"), frame, check_dtype=False
        )
    assert (tmp_path / "page.html").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rule", "lstm"], "lstm is not a model of the backtest; it has naive, drift"),
        (["--rule", "drift", "--fee", "2"], "fee: must be a share from 0 to below 1, got 2"),
        (["--rule", "drift", "--end", "sold"], "end: must be close, zero, or the share"),
        (["--rule", "drift", "--report", "page.pdf"], "--report page.pdf: must end in .html"),
    ],
)
def test_the_command_refuses(folder: Path, words: list[str], message: str) -> None:
    done = inside("simulate", folder, *words)
    assert done.returncode == 2
    assert message in done.stderr
