"""Simulations on workers, and in parts of any size: the same bits as in one piece."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client
from upath import UPath

from cryptodask import CryptoManager, backtest
from cryptodask.errors import DamagedFileError, InputError, OptionError
from cryptodask.prices import CryptoLoader
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.results import open_backtest
from cryptodask.trading import Account, Costs, Simulation, simulate
from tests.cli.command import run
from tests.conftest import Cluster, write_folder


def mine(rows: pd.DataFrame) -> Any:
    """Every coin above the median of its date."""
    chosen = (rows["model"] == "drift") & (rows["step"] == rows["step"].max())
    here = rows[chosen]
    middle = here.groupby("cutoff")["return"].transform("median")
    return (here["return"] > middle).astype(float).mul(0.05).reindex(rows.index)


RULES: Sequence[Any] = (
    "hold", "drift", "drift:probability=0.55,hold=3,stop=0.1", "drift:top=3,size=volatility",
    "momentum:lookback=20,top=3", "momentum:lookback=15", "ridge:step=2,return=0.001", mine,
)  # fmt: skip
COSTS = Costs(fee=0.001, slippage=0.002, minimum_fee=0.01, participation=0.05)
ACCOUNTS = [Account(cash=777.7), Account(cash=777.7, shared=True)]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coins that begin late, end early, and have gaps, with opens and volumes."""
    frame = synthetic_prices(11, 260, seed=11, short=(60, 90), broken=("gap",))
    coins = frame["coin"].unique()
    ends = frame["date"].max() - pd.Timedelta(days=40)
    frame = frame[~((frame["coin"] == coins[7]) & (frame["date"] > ends))]
    rng = np.random.default_rng(0)
    frame = frame[(rng.random(len(frame)) > 0.02) | (frame["coin"] == coins[5])]
    for column in ("open", "volume"):
        without = (rng.random(len(frame)) < 0.1) | (frame["coin"] == coins[9])
        frame = frame.assign(**{column: frame[column].mask(without)})
    return write_folder(tmp_path_factory.mktemp("partwise") / "prices", frame)


@pytest.fixture(scope="module")
def folder(prices: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("partwise") / "run"
    with Client(cluster.address) as client:
        backtest(str(prices), ["drift", "ridge"], 5, origins=14, out=str(out), client=client,
                 progress=False)  # fmt: skip
    return out


def same(first: Simulation, second: Simulation) -> None:
    for name, frame in reversed(first.tables().items()):
        pd.testing.assert_frame_equal(second.tables()[name], frame, check_exact=True, obj=name)
    assert first.fills_at == second.fills_at


@pytest.fixture(scope="module", params=ACCOUNTS, ids=["own", "shared"])
def whole(request: pytest.FixtureRequest, folder: Path, prices: Path) -> tuple[Account, Simulation]:
    """A simulation in one part, in this process."""
    loader = CryptoLoader(str(prices), partitions=1)
    return request.param, simulate(folder, loader, RULES, account=request.param, costs=COSTS)


def test_rules_trade_and_coins_end_so_that_comparing_means_something(whole: Any) -> None:
    _, result = whole
    traded = result.figures.set_index("rule")["fills"]
    assert (traded.drop("cash") > 3).all()
    assert set(result.fills["reason"]) == {"order", "end"}
    assert {"open", "filled", "cash"} <= set(result.orders["state"])
    assert "bars without" in result.fills_at


@pytest.mark.parametrize("parts", [3, 11])
def test_parts_of_any_size_give_the_same_bits(
    whole: Any, folder: Path, prices: Path, parts: int
) -> None:
    account, result = whole
    loader = CryptoLoader(str(prices), partitions=parts)
    same(result, simulate(folder, loader, RULES, account=account, costs=COSTS))


@pytest.mark.parametrize("parts", [4])
def test_workers_give_the_same_bits(
    whole: Any, folder: Path, prices: Path, client: Client, parts: int
) -> None:
    account, result = whole
    loader = CryptoLoader(str(prices), partitions=parts)
    same(result, simulate(folder, loader, RULES, account=account, costs=COSTS, client=client))


def test_workers_get_a_backtest_and_prices_that_are_in_memory(
    whole: Any, folder: Path, prices: Path, client: Client
) -> None:
    account, result = whole
    opened = open_backtest(folder)
    held = replace(opened, path=None, files=(), frame=opened.get_df())
    frame = CryptoLoader(str(prices)).get_df()
    with CryptoManager(frame, client) as manager:
        same(result, simulate(held, manager, RULES, account=account, costs=COSTS))
    with pytest.raises(OptionError, match="a manager has its own cluster"):
        simulate(held, manager, RULES, client=client)


def test_the_command_on_a_scheduler_prints_and_writes_the_same(
    folder: Path, cluster: Cluster, tmp_path: Path
) -> None:
    words = ["--rule", "drift:top=3", "--shared", "--fee", 0.001]
    here = run("simulate", folder, *words, "--out", tmp_path / "here")
    there = run("simulate", folder, *words, "--out", tmp_path / "there",
                "--scheduler", cluster.address)  # fmt: skip
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    assert here.stdout.replace("here", "there") == there.stdout
    for file in sorted(path.name for path in (tmp_path / "here").iterdir()):
        tables = [pd.read_parquet(tmp_path / way / file) for way in ("here", "there")]
        pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.mark.slow
def test_a_backtest_in_a_bucket_gives_the_same_bits(
    whole: Any, folder: Path, prices: Path, store: UPath, store_cluster: Cluster
) -> None:
    account, result = whole
    place = store / f"run-{account.shared}"
    place.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    loader = CryptoLoader(str(prices), partitions=3)
    with Client(store_cluster.address) as client:
        there = simulate(str(place), loader, RULES, account=account, costs=COSTS, client=client)
    same(result, there)


@pytest.mark.parametrize("on_workers", [False, True])
def test_a_damaged_file_is_refused_wherever_it_is_read(
    folder: Path, tmp_path: Path, client: Client, on_workers: bool
) -> None:
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    file = copy / open_backtest(copy).files[-1].name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DamagedFileError, match=file.name):
        simulate(copy, rules="drift", client=client if on_workers else None)


def test_other_prices_are_refused_by_workers_too(
    folder: Path, prices: Path, client: Client
) -> None:
    frame = CryptoLoader(str(prices)).get_df()
    frame.loc[frame.index[-4], "close"] *= 1.01
    with pytest.raises(InputError, match="simulate with the prices that it saw"):
        simulate(folder, frame, "drift", client=client)
    with pytest.raises(InputError):
        simulate(folder, frame[frame["coin"] != frame["coin"].iloc[-1]], "drift")
