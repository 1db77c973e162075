"""What commands leave on a disk that is full: an error in one line, and no torn file."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptodask import import_prices
from tests.chaos.hosts import possible
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
        reason = f"no file system can be mounted here: {error}"
        # Where other file systems can be, CI must not pass over this.
        expected = os.environ.get("CI") == "true" and possible()
        pytest.fail(reason) if expected else pytest.skip(reason)
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
    table = tmp_path / "table"
    import_prices(small_folder, table)
    room, *words = COMMANDS[name]
    (full / "fill").write_bytes(b"\0" * ((256 - room) * 4096))
    ended = inside(*(word.format(table=table, full=full) for word in words))
    assert ended.code != 0, ended.said
    told = [line for line in ended.lines if "No space left on device" in line]
    assert len(told) == 1, ended.said
    assert told[0].startswith(f"error: {full}"), ended.said
    assert [path.name for path in full.rglob("*")] == ["fill"]
