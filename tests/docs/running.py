"""A folder in which the blocks of a page are run one after the other, as a reader would."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.ci_script import ROOT
from tests.docs.blocks import Block, Command

PATIENCE = 300
"""Seconds after which a command that has not ended is stuck."""

PORT = re.compile(r"\b878[6-9]\b")


class Reader:
    """Someone who types what a page says.

    Parameters
    ----------
    folder : Path
        Where; see `tests.docs.blocks` for what is in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        ours = {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1"}
        self.env = {**os.environ, **ours}
        self.started: list[subprocess.Popen[bytes]] = []
        self.ports: dict[str, str] = {}

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self.started):  # workers first, which else wait for the scheduler
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def run(self, block: Block) -> None:
        """Run a block, and fail where it does otherwise than the page says."""
        if block.file:
            (self.folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            script = self.folder / f"block_{block.line}.py"
            script.write_text(block.text, encoding="utf-8")
            self._end(block.place, [sys.executable, script.name], 0)
        elif block.language == "console":
            commands = block.commands()
            code = re.match(r"exit (\d+)", block.mark)
            for command in commands:
                is_last = command is commands[-1]
                self._type(block.place, command, int(code[1]) if code and is_last else 0)

    def _type(self, place: str, command: Command, code: int) -> None:
        words = shlex.split(command.text, comments=True)
        if words[0] == "pip":
            return  # all is installed; `check_block` looks the extras up
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.env[name] = value
            return
        text = PORT.sub(self._free_port, command.text)
        if words[-1] == "&":
            self._start(text.rstrip().rstrip("&"))
            return
        output = self._end(place, ["bash", "-c", text], code)
        if command.output:
            assert_printed(command.output, output, place)

    def _free_port(self, match: re.Match[str]) -> str:
        """Return a port that is free here in place of one of a page, always the same for it."""
        if match[0] not in self.ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.ports[match[0]] = str(free.getsockname()[1])
        return self.ports[match[0]]

    def _start(self, text: str) -> None:
        """Start a command that stays; a scheduler without a port gets one that is free."""
        if "dask scheduler" in text:
            for option, default in (("--port", "8786"), ("--dashboard-address", ":8787")):
                if option not in text:
                    text += PORT.sub(self._free_port, f" {option} {default}")
        log = self.folder / f"background-{len(self.started)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"exec env {text}"],
                cwd=self.folder,
                env=self.env,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.started.append(process)
        if port := re.search(r"--port (\d+)", text):  # a reader sees that it runs, too
            deadline = time.monotonic() + PATIENCE
            while socket.socket().connect_ex(("127.0.0.1", int(port[1]))):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)

    def _end(self, place: str, command: list[str], code: int) -> str:
        ended = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        logs = "".join(path.read_text() for path in self.folder.glob("background-*.log"))
        said = f"{place}: {command[-1]}\n{ended.stdout}\n{ended.stderr}\n{logs}"
        assert ended.returncode == code, f"exit code {ended.returncode}, not {code}: {said}"
        return ended.stdout


def assert_printed(expected: str, output: str, place: str) -> None:
    """Fail unless lines are those of a page, where a line ``…`` stands for any lines.

    Spaces around lines don't count, nor blank lines.

    Parameters
    ----------
    expected, output : str
        What the page says, and what the command printed.
    place : str
    """
    shown = [line.strip() for line in expected.splitlines() if line.strip()]
    printed = "".join(f"{line.strip()}\n" for line in output.splitlines() if line.strip())
    pattern = "".join(
        r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
        for line in shown
    )
    assert re.fullmatch(pattern, printed), f"{place}: it prints\n{printed}\nand not\n{expected}"


def lay_out(folder: Path, my_table: Path, my_prices: Path) -> Path:
    """Make the folder in which a page is read.

    Parameters
    ----------
    folder : Path
        Not there yet.
    my_table, my_prices : Path
        What becomes ``my-table`` and ``my-prices``.
    """
    folder.mkdir()
    (folder / "data").symlink_to(ROOT / "data")
    shutil.copytree(my_table, folder / "my-table")
    shutil.copytree(my_prices, folder / "my-prices")
    return folder
