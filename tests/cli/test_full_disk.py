"""What commands leave on a disk that is full, or read-only: an error in one line, no torn file."""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cryptodask import import_prices
from tests.chaos.hosts import skip_without_mount
from tests.runs.commands import inside


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte, if one can be mounted here."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_without_mount(error)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


COMMANDS = {
    "list": (0, "prices", "list", "{table}", "--out", "{full}/coins.json"),
    "check": (2, "prices", "check", "{table}", "--html", "{full}/coins.html"),
    "report": (2, "forecast", "{table}", "--model", "naive", "--report", "{full}/report.html"),
    "plot": (2, "forecast", "{table}", "--model", "naive", "--plot", "{full}/plot.html"),
    "security": (5, "security", "init", "{full}/keys"),
}
"""Files of a page of memory, 4 KiB, that there is room for, and a command."""


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_an_error_in_one_line_and_leaves_no_torn_file(
    name: str, full: Path, small_folder: Path, tmp_path: Path
) -> None:
    room, *words = COMMANDS[name]
    (full / "fill").write_bytes(b"\0" * ((256 - room) * 4096))
    check_error(words, full, small_folder, tmp_path, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_read_only_disk_is_an_error_in_one_line(
    name: str, full: Path, small_folder: Path, tmp_path: Path
) -> None:
    (full / "fill").touch()
    subprocess.run(["mount", "-o", "remount,ro", str(full)], check=True)
    check_error(COMMANDS[name][1:], full, small_folder, tmp_path, "Read-only file system")


def check_error(
    words: Sequence[object], full: Path, folder: Path, tmp_path: Path, reason: str
) -> None:
    """Run a command, which must end with one line that gives the reason, and leave no file."""
    table = tmp_path / "table"
    import_prices(folder, table)
    ended = inside(*(str(word).format(table=table, full=full) for word in words))
    assert ended.code != 0, ended.said
    told = [line for line in ended.lines if reason in line]
    assert len(told) == 1, ended.said
    assert told[0].startswith(f"error: {full}"), ended.said
    assert [path.name for path in full.rglob("*")] == ["fill"]
