"""The command in a process, as a user runs it, or in this one, which saves its imports."""

import os
import subprocess
import sys

from tests.runs import commands

COMMAND = [sys.executable, "-m", "cryptodask.cli"]
ENV = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}


def run(*args: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    words = [*COMMAND, *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, env=ENV, timeout=300, check=False)


def inside(*args: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in this process: for its results and messages.

    That it works as a process, each command has a test with `run`. A traceback is raised here.
    """
    ended = commands.inside(*args, columns=120)
    return subprocess.CompletedProcess([*map(str, args)], ended.code, ended.out, ended.err)
