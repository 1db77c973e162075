"""Every command in a terminal of 80 columns, and of fewer: nothing is cut, no row is broken."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.terminal import Seen, see

COLUMNS = 80
LONG = "A coin of a very long name (wrapped)"

RUNS = [
    ("forecast mine --model naive --model ridge --intervals --out f.csv", 3),
    ("forecast wide --intervals --model naive --model drift", 0),
    ("forecast mine --model ridge --profile", 3),
    ("forecast mine --coins Bitcoim", 2),
    ("forecast mine --model rigde", 2),
    ("forecast nowhere", 2),
    ("forecast", 2),
    ("backtest mine --model drift --model ridge --out backtest", 3),
    ("backtest short --model drift", 2),
    ("simulate backtest --rule drift:return=0.01,top=2 --rule hold", 0),
    ("tune mine --model ridge --search ridge.alpha=1,10 --search ridge.lags=5,10 --origins 6", 3),
    ("risk mine --horizon 5 --levels 50,99 --above 10% --weights equal", 3),
    ("risk wide --horizon 2 --every-step", 0),
    ("train mine --model ridge --intervals --registry registry", 3),
    ("registry score mine --model ridge:1 --registry registry --origins 6 --workers 1", 3),
    ("registry list ridge --registry registry", 0),
    ("registry show ridge:1 --registry registry", 0),
    ("registry compare ridge:1 ridge:1 --registry registry", 0),
    ("registry promote ridge:1 --registry registry", 0),
    ("registry log ridge --registry registry", 0),
    ("predict mine --model ridge --registry registry --out predicted", 3),
    ("store add predicted --store store.db", 0),
    ("store latest --store store.db", 0),
    ("store runs --store store.db", 0),
    ("resume predicted", 3),
    ("prices import mine --out table", 3),
    ("prices list table", 3),
    ("prices list wide", 0),
    ("prices check table --html report.html", 3),
    ("prices policies", 0),
    ("models", 0),
    ("models ridge", 0),
    ("security init certificates", 0),
    ("pipeline replay mine --out replayed --days 2 --coins 2", 0),
    ("store judgements --store replayed/cryptodask.db", 0),
    ("store accounts --store replayed/cryptodask.db", 0),
    ("cluster --scheduler tcp://127.0.0.1:1", 1),
]
"""Commands, one after the other in one folder, and their exit codes."""


def write(folder: Path, coin: str, rows: int, price: float) -> None:
    """Write the file of a coin, a random walk."""
    moves = np.random.default_rng(len(coin)).normal(0, 0.03, rows)
    closes = price * np.exp(np.cumsum(moves))
    days = pd.date_range(end="2024-03-01", periods=rows).strftime("%Y-%m-%d")
    folder.mkdir(exist_ok=True)
    frame = pd.DataFrame({"Date": days, "Open": closes, "High": closes, "Low": closes})
    frame.assign(Close=closes).to_csv(folder / f"{coin}.csv", index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices: of short and of very long digits and names, of a new coin, of none."""
    place = tmp_path_factory.mktemp("terminal")
    for coin in ("Bitcoin", "Ethereum", "Monero"):
        write(place / "mine", coin, 200, 100.0)
    write(place / "mine", "Newcoin", 12, 100.0)
    (place / "mine" / "Dead.csv").write_text("Date,Open,High,Low,Close\n")
    write(place / "wide", LONG, 150, 123_456_789.0)
    write(place / "wide", "Shiba Inu [SHIB]", 150, 1.2345678e-9)
    write(place / "wide", "Satoshi ビットコイン", 150, 98_765_432_109.0)
    write(place / "short", "Tiny", 12, 1.0)
    return place


def assert_whole(seen: Seen, columns: int) -> None:
    """Fail where something is cut or broken."""
    assert "Traceback" not in seen.text
    assert not re.search(r"\w…", seen.text), seen.text
    # A path or a command that is wider than the terminal is alone on its line, to be copied.
    broken = [line for line in seen.wider(columns) if " " in line.strip() and "`" not in line]
    assert not broken, broken


@pytest.mark.slow
def test_80_columns_have_room_for_all_that_commands_print(folder: Path) -> None:
    for command, code in RUNS:
        seen = see(*command.split(), columns=COLUMNS, folder=folder)
        assert seen.code == code, (command, seen.text)
        assert_whole(seen, COLUMNS)


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_long_names_and_prices_push_nothing_out_of_the_table(columns: int, folder: Path) -> None:
    words = ("forecast", "wide", "--intervals", "--model", "naive", "--horizon", "3")
    seen = see(*words, columns=columns, folder=folder)
    assert_whole(seen, columns)
    assert seen.code == 0
    text = " ".join(seen.text.split())
    for heading in ("last close", "step 1", "step 3", "change", "80% interval", "error / naive"):
        assert heading in text, seen.text
    assert LONG.replace(" ", "") in seen.text.replace(" ", "").replace("\n", "")
    assert "Satoshi ビットコイン" in text


def test_a_narrow_terminal_gets_the_same_values_as_a_wide_one(folder: Path) -> None:
    words = ("backtest", "mine", "--model", "drift", "--coins", "Bitcoin,Monero")
    wide, narrow = (see(*words, columns=columns, folder=folder) for columns in (200, 40))
    assert_whole(narrow, 40)
    start = next(i for i, line in enumerate(wide.lines) if line.startswith("model"))
    for row in wide.lines[start + 2 : start + 4]:
        for value in row.split("  "):
            assert value.strip() in narrow.text, (value, narrow.text)


def test_lines_for_programs_are_not_broken(folder: Path) -> None:
    from tests.cli.command import run

    done = run("forecast", folder / "mine", "--model", "ridge")
    assert any(line.endswith("get the file again") for line in done.stderr.splitlines())


def test_a_line_is_broken_between_words_and_not_within_a_command() -> None:
    from cryptodask.cli.tables import wrap_words

    text = "all of them: `cryptodask prices check table --findings FILE.csv` writes them"
    lines = wrap_words(text, 60).split("\n")
    assert lines == [
        "all of them:",
        "`cryptodask prices check table --findings FILE.csv` writes",
        "them",
    ]
    assert wrap_words("    export DASK_CONFIG=/a/b", 20) == "    export\n    DASK_CONFIG=/a/b"
