"""The command itself: what it lists, and what it loads to print its help."""

import subprocess
import sys

import pytest

from tests.cli.command import ENV, run

HEAVY = {
    "numpy",
    "pandas",
    "pyarrow",
    "dask",
    "distributed",
    "upath",
    "fsspec",
    "cattrs",
    "sklearn",
}
"""Libraries that take longer to import than the help takes to print."""


def test_the_models_are_listed_with_their_options() -> None:
    done = run("models")
    assert done.returncode == 0
    for word in (
        "random",
        "naive",
        "linear",
        "lstm",
        "validation_split=0.05",
        "units=50,100",
        "stats:CLASS",
    ):
        assert word in done.stdout


def test_the_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("cryptodask 0.")


def test_all_commands_are_listed() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("forecast", "backtest", "tune", "resume", "models", "cluster", "dashboard",
                    "prices", "security"):  # fmt: skip
        assert f"│ {command} " in done.stdout
    assert "Print the version and exit." in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["forecast", "nowhere"], "does not exist"),
        (["forecast", ".", "--model", "rigde"], "did you mean ridge?"),
        (["backtest", ".", "--horizon", "0"], "horizon: must be at least 1"),
        (["tune", ".", "--model", "ridge"], "no option of ridge is searched"),
    ],
)
def test_errors_of_use_are_told_before_what_reads_prices_is_loaded(
    words: list[str], says: str
) -> None:
    code = (
        "import sys\n"
        "from cryptodask.cli import main\n"
        f"sys.argv = ['cryptodask', *{words}]\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert not set(done.stdout.split()) & {"pandas", "pyarrow", "dask", "distributed"}


def test_a_command_makes_no_other_and_an_unknown_one_is_told_with_what_is_there() -> None:
    code = (
        "import sys\n"
        "from cryptodask.cli import main\n"
        "sys.argv = ['cryptodask', 'models', '-h']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"cryptodask.cli.forecast", "cryptodask.cli.prices"}.isdisjoint(done.stdout.split())
    unknown = run("forecats")
    assert unknown.returncode == 2
    assert "forecast" in unknown.stderr


def test_printing_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from cryptodask.cli.app import app\n"
        "for words in (['--help'], ['forecast', '--help'], ['tune', '--help']):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & HEAVY


def test_the_package_is_the_command_for_python_m() -> None:
    words = [sys.executable, "-m", "cryptodask", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, env=ENV, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, run("--version").stdout)
