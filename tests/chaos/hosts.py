"""Hosts of a cluster as network namespaces, joined by a bridge whose cables can be pulled."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import pytest

NET = "10.203.77"


def possible() -> bool:
    """Tell whether this process may make network namespaces and mount file systems."""
    if os.name != "posix" or os.geteuid() != 0:
        return False
    try:
        _ip("netns", "add", f"cd{os.getpid()}try")
        _ip("netns", "del", f"cd{os.getpid()}try")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def skip_without_mount(error: Exception) -> NoReturn:
    """Skip a test whose file system can't be mounted; where others can be, CI must not."""
    reason = f"no file system can be mounted here: {error}"
    if os.environ.get("CI") == "true" and possible():
        pytest.fail(reason)
    pytest.skip(reason)


class Hosts:
    """A hub with the address `NET`.1, and hosts with others, each alone with its processes."""

    def __init__(self, count: int) -> None:
        self._hub = f"cd{os.getpid()}hub"
        self._names = [f"cd{os.getpid()}w{i}" for i in range(count)]

    def inside(self, host: int | None) -> Sequence[str]:
        """Return the words before a command that is to run on a host; None is the hub."""
        return ["ip", "netns", "exec", self._hub if host is None else self._names[host]]

    def address(self, host: int | None) -> str:
        """Return the address of a host."""
        return f"{NET}.{1 if host is None else host + 10}"

    def cable(self, host: int, plugged: bool) -> None:
        """Pull the cable of a host, or plug it in again."""
        state = "up" if plugged else "down"
        _ip("-n", self._hub, "link", "set", f"v{host}", state)

    def _make(self) -> None:
        _ip("netns", "add", self._hub)
        _ip("-n", self._hub, "link", "set", "lo", "up")
        _ip("-n", self._hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._hub, "addr", "add", f"{NET}.1/24", "dev", "bridge")
        _ip("-n", self._hub, "link", "set", "bridge", "up")
        for i, name in enumerate(self._names):
            _ip("netns", "add", name)
            _ip("-n", self._hub, "link", "add", f"v{i}", "type", "veth",
                "peer", "name", "eth0", "netns", name)  # fmt: skip
            _ip("-n", self._hub, "link", "set", f"v{i}", "master", "bridge")
            _ip("-n", name, "addr", "add", f"{self.address(i)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
            self.cable(i, True)

    def _remove(self) -> None:
        for name in (*self._names, self._hub):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """Make hosts, which are gone at the end of the block."""
    made = Hosts(count)
    try:
        made._make()
        yield made
    finally:
        made._remove()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
