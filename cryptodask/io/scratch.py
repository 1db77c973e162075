"""Folders for what only this process needs, which are removed when it ends."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def scratch_folder() -> Path:
    """Return a new folder that is removed at the end of this process."""
    folder, owner = tempfile.mkdtemp(prefix="cryptodask-"), os.getpid()

    def clean() -> None:
        if os.getpid() == owner:  # and not in a fork of it
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(clean)
    return Path(folder)
