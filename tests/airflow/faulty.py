"""The command ``cryptodask``, with faults: ``python faulty.py pipeline STEP … --group NAME``.

Each file in the folder ``FAULTS`` is one, named STEP-GROUP: ``fail`` in it makes the step fail
each time; ``kill`` kills it once while it writes the store; ``run`` lets it end and kills the run
that it started, once.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "cryptodask.cli"]


def main(arguments: list[str]) -> int:
    """Run the command, with its fault if it has one; return the exit code."""
    step = arguments[1]
    group = arguments[arguments.index("--group") + 1] if "--group" in arguments else ""
    file = Path(os.environ["FAULTS"]) / f"{step}-{group}"
    fault = file.read_text() if file.exists() else ""
    if fault == "fail":
        sys.stderr.write("error: a fault\n")
        return 1
    process = subprocess.Popen([*COMMAND, *arguments])
    if fault == "kill":
        file.unlink()
        folder = Path(arguments[arguments.index("--settings") + 1]).parent
        while process.poll() is None and not list(folder.glob("store.db-*")):
            time.sleep(0.002)
        process.kill()
    code = process.wait()
    if fault == "run":
        file.unlink()
        folder = Path(arguments[arguments.index("--settings") + 1]).parent
        (numbers,) = folder.glob(f"runs/*/*/{group}/processes")
        os.kill(int(numbers.read_text().split()[-1]), signal.SIGKILL)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
