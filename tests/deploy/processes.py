"""Containers as processes of this machine: their own commands, environment and health checks."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.deploy.conftest import DEPLOY, ROOT

PORTS = ("8786", "8787", "8788", "8789", "8443")
"""Those of the containers; here they are any that are free."""


class Services:
    """Services of the file, as processes: volumes are folders, and all hosts are this one."""

    def __init__(self, services: dict[str, Any], folder: Path) -> None:
        self.services, self.folder = services, folder
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.bin = folder / "bin"
        for name in ("bin", "etc/cryptodask", "tls", "forecasts", "scratch", "tmp"):
            (folder / name).mkdir(parents=True)
        # What the image has on its PATH.
        for name, command in {
            "dask": f"{sys.executable} -m dask",
            "cryptodask": f"{sys.executable} -m cryptodask.cli",
            "healthcheck": f"{sys.executable} {DEPLOY / 'healthcheck.py'}",
        }.items():
            (self.bin / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (self.bin / name).chmod(0o755)

    def translate(self, text: str) -> str:
        """Put this machine's folders, addresses and ports in place of the containers'."""
        text = text.replace("$$", "$")
        text = re.sub(
            r"(?<![\w.])/(etc/cryptodask|tls|forecasts|scratch|tmp)\b", rf"{self.folder}/\1", text
        )
        text = re.sub(r"^/data$", str(ROOT / "data"), text)
        text = re.sub(r"(?<=tls://)scheduler\b|0\.0\.0\.0", "127.0.0.1", text)
        return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda m: str(self.ports[m[1]]), text)

    def command(self, name: str, command: list[str]) -> tuple[list[str], dict[str, str]]:
        env = {k: self.translate(v) for k, v in self.services[name]["environment"].items()}
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return [self.translate(c) for c in command], os.environ | {"PATH": path} | env

    def start(self, name: str) -> None:
        command, env = self.command(name, self.services[name]["command"])
        if command[0] == "nginx" and os.getuid() == 0:
            command[-1] += " user root;"  # the container's user is not root, so nginx keeps it
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.folder)
        self.processes[f"{name}-{len(self.processes)}"] = process

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        command, env = self.command(name, self.services[name]["command"])
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=600, cwd=self.folder
        )

    def healthy(self, name: str) -> bool:
        """Run the health check of a service, as often as it may fail at the start."""
        kind, *test = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        command, env = self.command(name, test)
        deadline = time.monotonic() + 300
        while subprocess.run(command, env=env, capture_output=True, timeout=120).returncode:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def stop(self) -> None:
        # Workers before their scheduler, which they take leave of.
        for process in reversed(self.processes.values()):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
