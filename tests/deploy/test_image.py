"""What can be said of the image without building it, which `make image-test` does."""

import configparser
import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.deploy.conftest import DEPLOY, ROOT


def locked(name: str) -> dict[str, set[Version]]:
    """Return the versions of each package that a lock has; some depend on Python's."""
    versions: dict[str, set[Version]] = {}
    for line in (DEPLOY / "locks" / f"{name}.txt").read_text().splitlines():
        if match := re.match(r"([a-z0-9-]+)==([^ ]+)", line):
            versions.setdefault(match[1], set()).add(Version(match[2]))
    return versions


@pytest.mark.parametrize("extra", [None, "lstm", "fetch"])
def test_locks_have_what_setup_cfg_asks_for(extra: str | None):
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"]
    if extra:
        wanted = config["options.extras_require"][extra]
    have = locked(extra or "base")
    for line in filter(None, map(str.strip, wanted.splitlines())):
        requirement = Requirement(line)
        versions = have.get(requirement.name, set())
        assert versions, f"{line}: not in the lock; run `make lock`"
        assert all(v in requirement.specifier for v in versions), f"{line}: run `make lock`"


@pytest.mark.parametrize("extra", ["lstm", "fetch"])
def test_an_extra_changes_no_version_of_the_base(extra: str):
    base, ours = locked("base"), locked(extra)
    assert {name: base[name] for name in base.keys() & ours.keys()} == {
        name: ours[name] for name in base.keys() & ours.keys()
    }


def test_every_locked_file_has_a_hash():
    for path in (DEPLOY / "locks").glob("*.txt"):
        entries = re.split(r"\n(?=[a-z])", path.read_text().strip())
        assert all("--hash=sha256:" in entry for entry in entries), path


def test_what_the_dockerfile_copies_is_let_through_to_the_engine():
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M)
    let_through = (ROOT / ".dockerignore").read_text().splitlines()
    for source in " ".join(copies).split():
        assert (ROOT / source).exists()
        assert f"!{source}" in let_through, source


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1)])
def test_the_health_check_says_what_the_server_says(status: int, code: int):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.handle_request, daemon=True).start()
        env = os.environ | {"HEALTH_PORT": str(server.server_port), "DASK_CONFIG": "/nonexistent"}
        check = [sys.executable, str(DEPLOY / "healthcheck.py")]
        done = subprocess.run(check, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == code
    # And nothing answers any more.
    done = subprocess.run(check, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert f":{env['HEALTH_PORT']}/health" in done.stderr
