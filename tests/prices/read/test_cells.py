"""Files that would hang a reader or fill its memory end in an error, soon."""

import gzip
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from cryptodask.errors import UnreadableFileError
from cryptodask.prices.read.cells import read_cells
from cryptodask.prices.read.options import DEFAULT_OPTIONS

ROWS = b"date,close\n2025-01-01,1.5\n2025-01-02,1.6\n"
LIMIT = 500 << 20


def read_in_process(path: Path) -> "subprocess.CompletedProcess[str]":
    """Read a file in a process that has little memory."""
    program = (
        "import pathlib, sys\n"
        "from cryptodask.prices.read.cells import read_cells\n"
        "from cryptodask.prices.read.options import DEFAULT_OPTIONS\n"
        "read_cells(pathlib.Path(sys.argv[1]), DEFAULT_OPTIONS)\n"
    )

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))

    return subprocess.run(
        [sys.executable, "-c", program, str(path)], preexec_fn=limit_memory, timeout=60,
        check=False, capture_output=True, text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Bitcoin.csv")
    with pytest.raises(UnreadableFileError, match=r"Bitcoin\.csv: is a pipe or a device"):
        read_cells(tmp_path / "Bitcoin.csv", DEFAULT_OPTIONS)


def test_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Bitcoin.csv").symlink_to("/dev/zero")
    with pytest.raises(UnreadableFileError, match=r"Bitcoin\.csv: is a pipe or a device"):
        read_cells(tmp_path / "Bitcoin.csv", DEFAULT_OPTIONS)


@pytest.mark.parametrize("filling", [b"\0", b"2025-01-03,1.7\n", b" "])
def test_a_bomb_of_gzip_is_refused_in_little_memory(tmp_path: Path, filling: bytes) -> None:
    path = tmp_path / "Bitcoin.csv.gz"
    block = filling * ((1 << 20) // len(filling))
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(ROWS)
        for _ in range(600):
            file.write(block)
    assert path.stat().st_size < 20 << 20
    done = read_in_process(path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "UnreadableFileError: Bitcoin.csv.gz: " in last, done.stderr
    assert "over 100 times its size" in last or "is longer than 16 MiB" in last


@pytest.mark.parametrize("above", [b"", ROWS], ids=["first line", "third line"])
def test_a_line_of_a_gigabyte_is_refused_in_little_memory(tmp_path: Path, above: bytes) -> None:
    path = tmp_path / "Bitcoin.csv"
    with path.open("wb") as file:
        file.write(above)
        file.truncate(1 << 30)
    done = read_in_process(path)
    assert done.returncode == 1
    assert "is longer than 16 MiB" in done.stderr.strip().splitlines()[-1], done.stderr


def test_a_long_file_of_short_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "Bitcoin.csv.gz"
    days = [f"{i // 1_000 + 1_000}-01-01,{i * 7919 % 1_000_003}.25" for i in range(200_000)]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(["date,close", *days]))
    assert len(read_cells(path, DEFAULT_OPTIONS).rows) == 200_000
