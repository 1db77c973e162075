"""What a power cut leaves of a run: the bytes that had reached the disk, and nothing else.

A run writes to a file system in an image. The image's bytes at some moment are what a machine would
find that lost power then; a file system that is mounted from a copy of them is what it would have
after it started again.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.hosts import possible
from tests.conftest import Cluster
from tests.runs.commands import (
    KINDS,
    PATIENCE,
    Ended,
    Kind,
    assert_same_table,
    bytes_in,
    data_files,
    finish,
    inside,
    run,
    start,
)

SIZE = "48M"

COMMIT = 1
"""Seconds after which ext4 writes names of files; by default 5, and the data of files up to 30."""


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Mount the file system in an image, whose journal is replayed if it was not unmounted."""
    folder.mkdir()
    mount = ["mount", "-o", f"loop,commit={COMMIT}", str(image), str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An empty file system, if one can be mounted here."""
    image = tmp_path / "disk.img"
    try:
        subprocess.run(["truncate", "-s", SIZE, str(image)], check=True, capture_output=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        with mounted(image, tmp_path / "attempt"):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        reason = f"no file system in a file can be mounted here: {error}"
        # Where other file systems can be, CI must not pass over this.
        expected = os.environ.get("CI") == "true" and possible()
        pytest.fail(reason) if expected else pytest.skip(reason)
    return image


def cut_off(image: Path, name: str) -> Path:
    """Copy an image as it is at one moment, while it is written to."""
    content = None
    for _ in range(200):
        previous, content = content, image.read_bytes()
        # Of a write between the two, one of them would not have known.
        if content == previous:
            copy = image.with_name(name)
            copy.write_bytes(content)
            return copy
    pytest.fail("the image never stood still")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_run_goes_on_from_what_is_on_the_disk(
    kind: Kind, source: Path, cluster: Cluster, hurting: Cluster, image: Path, tmp_path: Path
) -> None:
    undisturbed = tmp_path / "undisturbed"
    ended = run(*kind.words, source, "--scheduler", cluster.address, "--out", undisturbed)
    assert ended.code == 0, ended.said

    with mounted(image, tmp_path / "disk") as disk:
        out = disk / "out"
        process = start(*kind.words, source, "--scheduler", hurting.address, "--out", out)
        deadline = time.monotonic() + PATIENCE
        while len(data_files(out)) < 2:
            assert process.poll() is None, finish(process).said
            assert time.monotonic() < deadline
            time.sleep(0.02)
        half_way = cut_off(image, "half-way.img")
        ended = finish(process)
        assert ended.code == 0, ended.said
        assert f"wrote {out}" in ended.out
        at_once = cut_off(image, "at-once.img")
        # By now ext4 has written the names of files, but of itself not what is in them.
        time.sleep(2.5 * COMMIT)
        later = cut_off(image, "later.img")
        written = bytes_in(out)
        names = {path.name for path in data_files(out)}

    with mounted(half_way, tmp_path / "half-way") as disk:
        found = bytes_in(disk / "out")
        assert found.get("_plan.json") == written["_plan.json"]
        assert "_manifest.json" not in found
        assert names & set(found)
        # What has its name has its bytes.
        assert [name for name in names & set(found) if found[name] != written[name]] == []
        _resumes(kind, disk / "out", undisturbed, cluster)
    for copy in (at_once, later):
        with mounted(copy, copy.with_suffix("")) as disk:
            found = bytes_in(disk / "out")
            assert sorted(found) == sorted(written), copy.name
            assert [name for name in written if found[name] != written[name]] == [], copy.name
            assert len(kind.open(disk / "out")) == len(kind.open(undisturbed))
            ended = _resumes(kind, disk / "out", undisturbed, cluster)
            assert "nothing is left to do" in ended.out or kind.name == "tune", ended.said


def _resumes(kind: Kind, out: Path, undisturbed: Path, cluster: Cluster) -> Ended:
    """See that a run ends there as if nothing had happened to it."""
    ended = inside("resume", out, "--scheduler", cluster.address)
    assert ended.code == 0, ended.said
    assert_same_table(out, undisturbed)
    assert kind.open(out).equals(kind.open(undisturbed))
    return ended
