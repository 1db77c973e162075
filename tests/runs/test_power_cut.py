"""What a power cut leaves of a run: the bytes that had reached the disk, and nothing else.

A run writes to a file system in an image. The image's bytes at some moment are what a machine would
find that lost power then; a file system that is mounted from a copy of them is what it would have
after it started again.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disk import COMMIT, copy_of, make_image, mounted
from tests.chaos.hosts import skip_without_mount
from tests.conftest import Cluster
from tests.runs.commands import (
    KINDS,
    PATIENCE,
    Kind,
    assert_same_table,
    begun_files,
    bytes_in,
    finish,
    inside,
    run,
    start,
)

SIZE = "48M"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An empty file system, if one can be mounted here."""
    try:
        image = make_image(tmp_path / "disk.img", SIZE)
        with mounted(image, tmp_path / "attempt"):
            pass
    except (OSError, subprocess.CalledProcessError) as error:
        skip_without_mount(error)
    return image


def cut_off(image: Path, name: str) -> Path:
    """Copy an image as it is at one moment, while it is written to."""
    return copy_of(image, image.with_name(name))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_run_resumes_from_what_is_on_the_disk(
    kind: Kind, source: Path, cluster: Cluster, hurting: Cluster, image: Path, tmp_path: Path
) -> None:
    undisturbed = tmp_path / "undisturbed"
    ended = run(*kind.words, source, "--scheduler", cluster.address, "--out", undisturbed)
    assert ended.code == 0, ended.said

    with mounted(image, tmp_path / "disk") as disk:
        out = disk / "out"
        process = start(*kind.words, source, "--scheduler", hurting.address, "--out", out)
        deadline = time.monotonic() + PATIENCE
        while len(begun_files(out)) < 2:
            assert process.poll() is None, finish(process).said
            assert time.monotonic() < deadline
            time.sleep(0.02)
        begun = {path.name: path.read_bytes() for path in begun_files(out)}
        half_way = cut_off(image, "half-way.img")
        ended = finish(process)
        assert ended.code == 0, ended.said
        assert f"wrote {out}" in ended.out
        at_once = cut_off(image, "at-once.img")
        # By now ext4 has written the names of files, but of itself not what is in them.
        time.sleep(2.5 * COMMIT)
        later = cut_off(image, "later.img")
        written = bytes_in(out)

    problems = []
    for copy in (half_way, at_once, later):
        with mounted(copy, copy.with_suffix("")) as disk:
            left = bytes_in(disk / "out")
            needed = {"_plan.json"} if copy is half_way else written.keys()
            if copy is half_way:
                assert "_manifest.json" not in left
                if not begun.keys() & left.keys():
                    problems.append("half-way: no file of rows is there")
            else:
                problems += _unread(kind, disk / "out", undisturbed, copy.stem)
            problems += [f"{copy.stem}: {name} is not there" for name in needed - left.keys()]
            known = begun | written
            problems += [f"{copy.stem}: {name} is torn" for name in left.keys() & known.keys()
                         if left[name] != known[name]]  # fmt: skip
            problems += _not_resumed(kind, disk / "out", undisturbed, cluster, copy.stem)
    assert not problems, "\n".join(problems)


def _unread(kind: Kind, out: Path, undisturbed: Path, when: str) -> Iterator[str]:
    """Yield what keeps a result from being read that was said to be written."""
    try:
        if not kind.open(out).equals(kind.open(undisturbed)):
            yield f"{when}: the result is another"
    except Exception as error:  # noqa: BLE001 - which of them is the finding
        yield f"{when}: the result is not read: {type(error).__name__}: {error}"


def _not_resumed(
    kind: Kind, out: Path, undisturbed: Path, cluster: Cluster, when: str
) -> Iterator[str]:
    """Yield what keeps a run from ending there as if nothing had happened to it."""
    try:
        ended = inside("resume", out, "--scheduler", cluster.address)
        if ended.code != 0:
            yield f"{when}: resume ends with {ended.code}: {ended.lines}"
            return
        assert_same_table(out, undisturbed)
    except Exception as error:  # noqa: BLE001 - which of them is the finding
        yield f"{when}: not resumed: {type(error).__name__}: {str(error)[:200]}"
        return
    for problem in _unread(kind, out, undisturbed, when):
        yield f"resumed {problem}"
