"""A name from a table is a name and nothing else: no path, no markup, no command."""

import csv
import datetime
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest
from dask.distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask import CryptoLoader, CryptoManager, backtest
from cryptodask.errors import SourceError
from cryptodask.prices import import_prices
from cryptodask.prices.table.manifest import is_table_file
from tests.conftest import Cluster

HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "..",
    "C:\\x",
    "con",
    "~",
    "-rf",
    "$HOME;ls",
    "x" * 5_000,
    "[/red]",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
]


def write_long(folder: Path, coins: Iterable[str], days: int = 40) -> Path:
    """Write one file that names its coins itself, where a name can be any text."""
    folder.mkdir(parents=True)
    first = datetime.date(2024, 1, 1)
    with (folder / "all.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["coin", "date", "close"])
        for i, coin in enumerate(coins):
            for day in range(days):
                rows.writerow([coin, first + datetime.timedelta(day), 100 + i + day % 7])
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_no_name_becomes_a_path(cluster: Cluster, tmp_path: Path):
    folder = write_long(tmp_path / "src", HOSTILE)
    import_prices(folder, tmp_path / "table", partitions=4)
    loader = CryptoLoader(tmp_path / "table")
    assert loader.get_crypto_names() == sorted(HOSTILE)
    with Client(cluster.address) as client, CryptoManager(loader, client) as manager:
        whole = manager.forecast(["naive"], horizon=2)
        manager.forecast(["naive"], horizon=2, out=tmp_path / "forecasts")
        done = backtest(loader, ["naive"], horizon=2, origins=2, calibrate=0, client=client,
                        out=tmp_path / "backtest")  # fmt: skip
        assert set(done.get_df()["coin"]) == set(HOSTILE)
    assert set(whole.get_df()["coin"]) == set(HOSTILE)
    assert {path.name for path in tmp_path.iterdir()} == {"src", "table", "forecasts", "backtest"}
    for name in files(tmp_path):
        assert name.isascii()
        assert not any(coin in name for coin in HOSTILE if len(coin) > 3)
    for made in ("table", "forecasts", "backtest"):
        assert not any(path.is_dir() for path in (tmp_path / made).iterdir())


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3, unique=True))
def test_a_table_has_names_as_they_are_or_says_that_they_are_none(
    tmp_path_factory: pytest.TempPathFactory, coins: list[str]
):
    folder = tmp_path_factory.mktemp("names")
    try:
        write_long(folder / "src", [*coins, "Sound"], days=2)
    except UnicodeEncodeError:  # half of a pair, which no file can have
        return
    try:
        import_prices(folder / "src", folder / "table")
    except SourceError as error:
        assert "all.csv" in str(error)  # noqa: PT017
        assert "\0" in "".join(coins)
        return
    kept = CryptoLoader(folder / "table").get_crypto_names()
    assert "Sound" in kept
    assert all(name.isprintable() for name in kept)
    assert {" ".join(name.split()) for name in kept} <= {" ".join(c.split()) for c in coins} | {
        "Sound"
    }
    assert all(name == "manifest.json" or is_table_file(name) for name in files(folder / "table"))
    assert {path.name for path in folder.iterdir()} == {"src", "table"}


def test_what_is_printed_of_a_coin_is_its_name(cluster: Cluster, tmp_path: Path):
    """Brackets are the markup of what prints it."""
    folder = write_long(tmp_path / "src", ["[/red]", "[bold]B[/bold]"])
    command = [sys.executable, "-m", "cryptodask.cli", "forecast", str(folder), "--model", "naive",
               "--horizon", "2", "--scheduler", cluster.address]  # fmt: skip
    env = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "f.csv")],
        capture_output=True, text=True, env=env, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "[/red]" in done.stdout
    assert "[bold]B[/bold]" in done.stdout
    assert set(pd.read_csv(tmp_path / "f.csv")["coin"]) == {"[/red]", "[bold]B[/bold]"}
