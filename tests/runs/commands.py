"""The command as users start it, what it prints, and what it leaves in a folder."""

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

PATIENCE = 180
"""Seconds after which a command that has not ended is stuck."""

ENV = os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

NO_RESULT = re.compile(
    r"seconds in all|^wrote |dashboard|^coins × models|^starting \d+ worker|^connecting to "
)
"""Lines of a command's output that are other ones each time."""


@dataclass(frozen=True)
class Kind:
    """A kind of run, as a command.

    Attributes
    ----------
    words : tuple of str
        The command's name, and options by which four models or candidates are run, ridge among
        them.
    hurt : tuple of str
        Options that run `tests.runs.hurtful`'s ridge and one more model.
    open : callable
        Opens the folder of a run and reads all forecasts in it, by the public names of Python.
    """

    words: tuple[str, ...]
    hurt: tuple[str, ...]
    open: Callable[[Path], pd.DataFrame]

    @property
    def name(self) -> str:
        return self.words[0]


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"

    @property
    def lines(self) -> list[str]:
        """What it said as errors, but for the address of the dashboard and the progress bar."""
        lines = self.err.splitlines()
        return [line for line in lines if line.strip() and not NO_RESULT.search(line)]

    @property
    def result(self) -> list[str]:
        """The lines of its result."""
        return [line for line in self.out.splitlines() if not NO_RESULT.search(line)]

    def line_with(self, *texts: str) -> bool:
        """Whether one line of errors has all of these texts."""
        return any(all(text in line for text in texts) for line in self.lines)


def start(*words: object) -> "subprocess.Popen[str]":
    """Start a command."""
    command = [sys.executable, "-m", "cryptodask.cli", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENV)


def finish(process: "subprocess.Popen[str]") -> Ended:
    """Wait for a command to end."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"stuck: {process.args}\n{process.communicate()}")
    return Ended(process.returncode, out, err)


def run(*words: object) -> Ended:
    """Run a command to its end, as a process."""
    return finish(start(*words))


def inside(*words: object, columns: int = 200) -> Ended:
    """Run a command to its end in this process, which is faster, as on a terminal that wide.

    An error that the command lets through, which would print a traceback, is raised here.
    """
    from cryptodask.cli import main, show

    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["cryptodask", *map(str, words)])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # which the command replaces
        patch.setenv("COLUMNS", str(columns))
        for console in (show.out, show.err):  # whose width is that of when they were imported
            patch.setattr(console, "width", columns)
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def kill_when(process: "subprocess.Popen[str]", folder: Path, files: int) -> None:
    """Kill a command by signal 9 as soon as there are that many data files in its folder."""
    deadline = time.monotonic() + PATIENCE
    while len(begun_files(folder)) < files:
        assert process.poll() is None, finish(process).said
        assert time.monotonic() < deadline, f"stuck with {begun_files(folder)}"
        time.sleep(0.02)
    time.sleep(0.3)  # so that somebody knows of the files
    process.send_signal(signal.SIGKILL)
    ended = finish(process)
    assert ended.code == -signal.SIGKILL, ended.said


def begun_files(folder: Path) -> list[Path]:
    """Return the files of rows of a run in progress, those without intervals yet among them."""
    return data_files(folder) or sorted(folder.glob("_part-*.parquet"))


def data_files(folder: Path) -> list[Path]:
    """Return the files of the result's table; others begin with ``_``, drafts with a dot."""
    return sorted(folder.glob("[!_.]*.parquet"))


def table_of(folder: Path) -> pd.DataFrame:
    """Return all rows in the data files of a folder, in one order."""
    rows = pd.concat([pd.read_parquet(path) for path in data_files(folder)], ignore_index=True)
    return in_order(rows)


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows in the one order that does not depend on how the work was divided."""
    return rows.sort_values(["model", "coin", "cutoff", "step"], ignore_index=True)


def assert_same_table(folder: Path, expected: Path) -> None:
    """See that two folders hold the same rows, bit by bit."""
    pd.testing.assert_frame_equal(table_of(folder), table_of(expected), check_exact=True)


def copied(folder: Path, target: Path) -> Path:
    """Copy a folder, to which others may write meanwhile; drafts come and go."""
    target.mkdir()
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            shutil.copy2(path, target / path.name)
    return target


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file, but for the lock's; none of a folder that is not there."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))
            if path.is_file() and "lock" not in path.name}  # fmt: skip


def emptied(path: Path) -> None:
    """Leave a file without a byte, as file systems do whose data came too late."""
    path.write_bytes(b"")


def halved(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path: Path) -> None:
    """Fill a file with zeros."""
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    """Change one byte of a table's forecasts, where Parquet's own layout does not show it."""
    import pyarrow.parquet as pq

    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    [column] = [c for c in columns if c.path_in_schema == "forecast"]
    content = bytearray(path.read_bytes())
    # The last byte of a column is one of its values, or of their compressed form.
    content[column.data_page_offset + column.total_compressed_size - 1] ^= 0x01
    path.write_bytes(bytes(content))


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "emptied": emptied, "halved": halved, "zeroed": zeroed, "flipped": flipped,
}  # fmt: skip
"""What a power cut or a bad disk leaves of a file."""


def _open_forecasts(folder: Path) -> pd.DataFrame:
    from cryptodask.results import open_forecasts

    return in_order(open_forecasts(folder).get_ddf().compute(scheduler="synchronous"))


def _open_backtest(folder: Path) -> pd.DataFrame:
    from cryptodask.results import open_backtest

    return in_order(pd.concat(list(open_backtest(folder).parts()), ignore_index=True))


_DATES = ("--origins", "6", "--window", "60")
_HURT = ("--model", "ridge", "--option", "ridge.alpha=10")
_MODELS = ("--model", "naive", "--model", "drift", "--model", "linear", "--model", "ridge")
_FEW = ("--calibrate", "0", "--warmup", "0")

KINDS: Sequence[Kind] = (
    Kind(
        ("forecast", "--horizon", "3", *_MODELS),
        ("forecast", "--horizon", "3", "--model", "naive", *_HURT),
        _open_forecasts,
    ),
    Kind(
        ("backtest", "--horizon", "3", *_DATES, *_FEW, *_MODELS),
        ("backtest", "--horizon", "3", *_DATES, *_FEW, *_HURT),
        _open_backtest,
    ),
    Kind(
        ("tune", "--horizon", "3", *_DATES, "--splits", "2", "--model", "ridge",
         "--search", "ridge.alpha=1,10"),
        ("tune", "--horizon", "3", *_DATES, "--splits", "2", "--model", "ridge",
         "--search", "ridge.alpha=10"),
        _open_backtest,
    ),
)  # fmt: skip
