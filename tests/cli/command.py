"""The command in a process, as a user runs it."""

import os
import subprocess
import sys

COMMAND = [sys.executable, "-m", "cryptodask.cli"]
ENV = os.environ | {"COLUMNS": "120", "NO_COLOR": "1"}


def run(*args: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    words = [*COMMAND, *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, env=ENV, timeout=300, check=False)
