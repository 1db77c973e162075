"""A file system in an image, whose bytes at some moment are what a cut of power then would leave.

What is mounted from a copy of them is what a machine has after it started again.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMIT = 1
"""Seconds after which ext4 writes names of files; by default 5, and the data of files up to 30."""

TRIES = 200


class Disk:
    """An ext4 file system in an image, mounted at a folder.

    Parameters
    ----------
    folder : Path
        Where it is mounted; the images lie beside it.
    size : str
        As ``truncate`` has it.
    """

    def __init__(self, folder: Path, size: str) -> None:
        self.folder, self._cuts = folder, 0
        self.image = make_image(folder.with_suffix(".img"), size)
        folder.mkdir(exist_ok=True)
        self.mount()

    def mount(self) -> None:
        """Mount the image; its journal is replayed if it was not unmounted."""
        mount = ["mount", "-o", f"loop,commit={COMMIT}", str(self.image), str(self.folder)]
        subprocess.run(mount, check=True, capture_output=True)

    def unmount(self) -> None:
        """Unmount it, also under processes that use it still."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)

    def copy(self) -> Path:
        """Return a copy of the image as it is now, while it is written to."""
        self._cuts += 1
        return copy_of(self.image, self.folder.with_suffix(f".{self._cuts}.img"))

    def restart(self, copy: Path) -> None:
        """Mount a copy in place of the image, as after a cut of power at its time."""
        self.unmount()
        self.image.unlink()  # nobody gets at it any more but what is mounted still
        self.image = copy
        self.mount()


def make_image(image: Path, size: str) -> Path:
    """Make an image of an empty file system.

    Raises
    ------
    OSError, subprocess.CalledProcessError
        It can't be made here.
    """
    subprocess.run(["truncate", "-s", size, str(image)], check=True, capture_output=True)
    mkfs = ["mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=4", str(image)]
    subprocess.run(mkfs, check=True, capture_output=True)
    return image


def copy_of(image: Path, copy: Path) -> Path:
    """Copy an image as it is at one moment, while it is written to."""
    content = None
    for _ in range(TRIES):
        previous, content = content, image.read_bytes()
        # Of a write between the two, one of them would not have known.
        if content == previous:
            copy.write_bytes(content)
            return copy
    raise AssertionError(f"{image} never stood still")


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Mount the file system of an image in this block."""
    folder.mkdir()
    mount = ["mount", "-o", f"loop,commit={COMMIT}", str(image), str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Disk]:
    """Mount a new, small file system in this block."""
    made = Disk(folder, size)
    try:
        yield made
    finally:
        made.unmount()
