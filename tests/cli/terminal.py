"""A command in a real terminal of a width: what a person sees of it, line by line."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len

from tests.ci_script import ROOT

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
"""Colours, and moves of the cursor."""

PATIENCE = 300
"""Seconds after which a command that has not ended is stuck."""


@dataclass(frozen=True)
class Seen:
    """What was on the screen, and how the command ended.

    Attributes
    ----------
    code : int
    lines : list of str
        As the command wrote them: the terminal breaks those that are wider.
    """

    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    def wider(self, columns: int) -> list[str]:
        """Return the lines that a terminal would break."""
        return [line for line in self.lines if cell_len(line) > columns]


def see(*words: object, columns: int, folder: Path) -> Seen:
    """Run a command to its end in a terminal, in a folder.

    Parameters
    ----------
    *words
        Of the command, without its name.
    columns : int
        Width of the terminal.
    folder : Path
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "NO_COLOR", "CI", "GITHUB_ACTIONS", "FORCE_COLOR"):
        env.pop(name, None)
    command = [sys.executable, "-m", "cryptodask.cli", *map(str, words)]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written = _read(ours)
    os.close(ours)
    return Seen(process.wait(PATIENCE), _lines(written))


def _read(terminal: int) -> str:
    """Return all that is written to a terminal until its last writer has ended."""
    parts = []
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # Linux says so when nobody has the other end
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def _lines(written: str) -> list[str]:
    """Return the lines as they stand in the end: a return of the carriage begins one anew."""
    plain = CONTROL.sub("", written).replace("\r\n", "\n")
    return [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in plain.split("\n")]
