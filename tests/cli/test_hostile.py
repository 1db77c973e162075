"""Files that would write to the terminal, or into a spreadsheet."""

from pathlib import Path

import pandas as pd
import pytest

from cryptodask.dashboard.result_files import coins_in, forecasts_in
from tests.cli.command import run
from tests.conftest import Cluster

ATTACKS = {"escape": "\x1b]0;owned\x07", "bell": "\x07", "c1": "\x9b31m", "bidi": "\u202eevil"}
DAYS = pd.date_range("2024-01-01", periods=40).strftime("%Y-%m-%d").tolist()


def folder_of(place: Path, attack: str) -> Path:
    """Good coins beside files with an attack in header, cell, name of a coin, and file name."""
    place.mkdir()
    rows = "".join(f"{day},{100 + i % 7}\n" for i, day in enumerate(DAYS))
    (place / "=cmd|calc.csv").write_text("Date,Close\n" + rows)
    (place / "Cells.csv").write_text(f"Date,Close\n{rows}2024-03-01,{attack}\n{attack},1\n")
    (place / "Header.csv").write_text(f"Date,{attack}x,Foo\n2024-01-01,1,2\n")
    (place / f"na{attack.replace('/', '')}me.csv").write_text("Date,Close\n" + rows)
    named = "".join(f"{day},{attack}coin,{100 + i % 7}\n" for i, day in enumerate(DAYS))
    (place / "Long.csv").write_text("Date,Coin,Close\n" + named)
    return place


def check_harmless(text: str) -> None:
    assert [c for c in text if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_byte_of_a_file_reaches_the_terminal(tmp_path: Path, attack: str) -> None:
    folder, table = folder_of(tmp_path / "prices", attack), tmp_path / "table"
    for command in (
        ("import", folder, "--out", table), ("check", table),
        ("append", table, folder / "Cells.csv"),
        ("import", folder, "--out", tmp_path / "other", "--policy", "unreadable_row=fail"),
        ("append", table, folder / "Header.csv"),
    ):  # fmt: skip
        done = run("prices", *command)
        check_harmless(done.stdout + done.stderr)


def test_no_byte_of_a_file_reaches_the_terminal_of_a_run(cluster: Cluster, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "prices", ATTACKS["escape"] + ATTACKS["bidi"])
    at, out = ("--scheduler", cluster.address), tmp_path / "f.csv"
    for command in (
        ("forecast", folder, *at, "--model", "naive", "--horizon", 2, "--out", out),
        ("backtest", folder, *at, "--model", "naive", "--horizon", 2, "--origins", 2),
        ("tune", folder, *at, "--model", "ridge", "--search", "ridge.alpha=1,10", "--origins", 4),
    ):  # fmt: skip
        done = run(*command)
        check_harmless(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
    assert "\n'=cmd|calc,naive" in out.read_text()
    assert "=cmd|calc" in coins_in(out)
    assert set(forecasts_in(out, "=cmd|calc")["coin"]) == {"=cmd|calc"}


def test_many_bad_rows_are_a_line_a_file_and_all_of_them_are_in_a_file(tmp_path: Path) -> None:
    folder, table, findings = tmp_path / "prices", tmp_path / "table", tmp_path / "all.csv"
    folder.mkdir()
    for coin in ("Acoin", "Bcoin"):
        bad = "".join(f"2024-02-{30 + i % 70},=x{i}\n" for i in range(500))
        (folder / f"{coin}.csv").write_text("Date,Close\n2024-01-01,1\n2024-01-02,1.01\n" + bad)
    done = run("prices", "import", folder, "--out", table, "--findings", findings)
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) < 30
    text = " ".join(done.stdout.split())
    assert "unreadable_row: Acoin.csv, line 4: '2024-02-30'" in text
    assert text.count("(the first of 500)") == 2
    assert f"cryptodask prices check {table} --findings FILE.csv" in text
    assert f"wrote {findings}" in text
    assert (pd.read_csv(findings)["kind"] == "unreadable_row").sum() == 1000
    refused = run("prices", "check", table, "--findings", tmp_path / "all.txt")
    assert refused.returncode == 2
