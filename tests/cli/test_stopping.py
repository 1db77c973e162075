"""A command that is stopped while it is imported, or finds its words: a line, and the exit code."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Sends a signal to this process as soon as a module is first looked for.
COMMAND = """
import os, signal, sys

number, module, *words = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore

class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), int(number))

sys.meta_path.insert(0, Stops())
from cryptodask.cli import main
sys.argv = ["cryptodask", *words]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("typer", ["forecast", "data"]),
        ("cryptodask.cli.forecast", ["forecast", "data"]),
        ("cryptodask.runs.spec", ["forecast", "data"]),
        ("pandas", ["tune", "data", "--model", "ridge", "--search", "ridge.alpha=1"]),
        ("pandas", ["prices", "list", "data"]),
        ("pyarrow", ["prices", "import", "data", "--out", "nowhere"]),
        ("dask", ["cluster", "--scheduler", "tcp://127.0.0.1:1"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_command_that_is_stopped_while_it_imports_says_so(
    module: str, words: list[str], number: signal.Signals
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(int(number)), module, *words],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 128 + number, done.stderr
    assert done.stderr.startswith("stopped"), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
