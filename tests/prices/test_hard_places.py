"""Prices and results where reading or writing is hard: rights, depth, numbers, failing disks."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from cryptodask import CryptoLoader
from tests.chaos.disk import make_image, mounted
from tests.chaos.hosts import skip_without_mount
from tests.runs.commands import ENV, PATIENCE, Ended, inside

COINS = 12
"""Of the small folder."""

WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Root, too, then reads only what the modes of files let it read."""


def run_without_rights(*words: object) -> Ended:
    """Run a command as somebody who has to obey the modes of files."""
    command = [sys.executable, "-m", "cryptodask.cli", *map(str, words)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            reason = "root reads everything, and setpriv (util-linux) is not installed"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
        command = [*WITHOUT_RIGHTS, *command]
    done = subprocess.run(
        command, capture_output=True, text=True, env=ENV, timeout=PATIENCE, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_file_that_may_not_be_read_costs_its_coin_alone(
    small_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_folder, tmp_path / "prices"))
    closed = sorted(folder.iterdir())[5]
    closed.chmod(0)
    ended = run_without_rights("prices", "import", folder, "--out", tmp_path / "table")
    assert ended.code == 3, ended.said
    told = f"unreadable_file: {closed.name}: can't be opened: Permission denied"
    assert told in ended.result, ended.said
    assert len(CryptoLoader(tmp_path / "table").get_crypto_names()) == COINS - 1


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444], ids=lambda mode: f"{mode:03o}")
@pytest.mark.parametrize(
    "words",
    [("prices", "import", "{}", "--out", "{}.table"), ("forecast", "{}", "--model", "naive"),
     ("prices", "list", "{}"), ("dashboard", "{}")],
    ids=lambda words: words[0] if words[0] != "prices" else words[1],
)  # fmt: skip
def test_a_folder_that_may_not_be_read_is_an_error_in_one_line(
    words: Sequence[str], mode: int, small_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_folder, tmp_path / "prices"))
    folder.chmod(mode)
    try:
        ended = run_without_rights(*(word.format(folder) for word in words))
    finally:
        folder.chmod(0o755)
    assert ended.code == 2, ended.said
    [line] = ended.lines
    assert line.startswith(f"error: {folder}"), ended.said
    assert "can't be looked into: Permission denied; get the right to read it" in line


def test_folders_two_hundred_deep_are_as_others(small_folder: Path, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 10] * 200)
    deep.mkdir(parents=True)
    shutil.copytree(small_folder, deep / "prices")
    expected = CryptoLoader(small_folder).get_df()
    ended = inside("prices", "import", deep / "prices", "--out", deep / "table")
    assert ended.code == 0, ended.said
    for place in (deep / "prices", deep / "table"):
        pd.testing.assert_frame_equal(CryptoLoader(place).get_df(), expected)
    ended = inside("forecast", deep / "table", "--model", "naive", "--workers", "1",
                   "--out", deep / "run")  # fmt: skip
    assert ended.code == 0, ended.said


def test_a_path_that_no_system_takes_is_an_error_in_one_line(tmp_path: Path) -> None:
    longest = tmp_path.joinpath(*["d" * 200] * 30)
    for words in (("prices", "list", longest), ("forecast", longest, "--model", "naive")):
        ended = inside(*words)
        assert ended.code == 2, ended.said
        assert f"{longest}: " in ended.err
        assert os.strerror(errno.ENAMETOOLONG) in ended.err


def test_very_many_small_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "prices"
    folder.mkdir()
    rows = "Date,Close\n2024-01-01,1\n2024-01-02,2\n"
    for number in range(3_000):
        (folder / f"coin{number:04}.csv").write_text(rows)
    ended = inside("prices", "import", folder, "--out", tmp_path / "table")
    assert ended.code == 0, ended.said
    assert "6,000 rows, 3,000 coins" in ended.out


def first_block(path: Path) -> int:
    """Return where on its device a file begins, in KiB."""
    told = subprocess.run(["filefrag", "-v", str(path)], check=True, capture_output=True, text=True)
    row = next(line for line in told.stdout.splitlines() if line.strip().startswith("0:"))
    return int(row.split(":")[2].split("..")[0])


@pytest.fixture
def failing(small_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A disk with the prices, whose device fails where some of them lie."""
    try:
        image = make_image(tmp_path / "disk.img", "16M")
        with mounted(image, tmp_path / "made") as disk:
            shutil.copytree(small_folder, disk / "prices")
            os.sync()
            block_of = {path.name: first_block(path) for path in (disk / "prices").iterdir()}
        last = max(block_of, key=lambda name: block_of[name])
        with mounted(image, tmp_path / "disk") as disk:
            # The device is shorter than it said: whatever lies behind that can't be read.
            os.truncate(image, block_of[last] * 1024)
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                (disk / "prices" / last).read_bytes()
            yield disk / "prices"
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        skip_without_mount(error)


@pytest.mark.slow
def test_a_device_that_fails_under_some_files_costs_these_alone(
    failing: Path, tmp_path: Path
) -> None:
    unread = set()
    for path in failing.iterdir():
        try:
            path.read_bytes()
        except OSError:
            unread.add(path.name)
    assert 0 < len(unread) < COINS
    ended = inside("prices", "import", failing, "--out", tmp_path / "table")
    assert ended.code == 3, ended.said
    told = [line for line in ended.result if line.startswith("unreadable_file: ")]
    assert {line.split(": ")[1] for line in told} == unread, ended.said
    assert all("Input/output error" in line for line in told), ended.said
    there = CryptoLoader(tmp_path / "table").get_crypto_names()
    assert sorted(there) == sorted(p.stem for p in failing.iterdir() if p.name not in unread)


@pytest.mark.slow
def test_a_device_that_fails_as_it_is_written_is_an_error_in_one_line(
    small_folder: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        skip_without_mount(error)
    words = ("forecast", small_folder, "--model", "naive", "--model", "linear", "--workers", "1")
    try:
        image = make_image(small / "disk.img", "32M")
        with mounted(image, tmp_path / "disk") as disk:
            # What the device keeps its blocks in is full now: no new one can be written.
            fill = ["dd", "if=/dev/zero", f"of={small / 'ballast'}", "bs=64k"]
            assert subprocess.run(fill, capture_output=True, check=False).returncode != 0
            ended = inside(*words, "--out", disk / "run")
            assert ended.code == 1, ended.said
            [line] = ended.lines
            assert line.startswith(f"error: {disk / 'run'}: can't be written to"), ended.said
            assert "Input/output error" in line
            assert not (disk / "run" / "_manifest.json").exists()
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)
