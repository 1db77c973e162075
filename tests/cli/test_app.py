"""The command itself: what it lists, and what it loads to print its help."""

import subprocess
import sys

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
