"""Fail if a package of this environment has a known vulnerability, as far as that can be asked.

pip-audit calls packages that its service knows nothing of sound, and fails where the service
can't be reached. Neither is an answer: both are told here, and only a vulnerability fails. Those
of ``audit-ignore.txt`` don't, for the reason that stands there beside each.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

IGNORED = Path(__file__).with_name("audit-ignore.txt")
UNREACHED = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|[Cc]ould not connect|ServiceError"
)


def read_ignored(text: str) -> dict[str, str]:
    """Return the reason of each vulnerability that is let pass: ``ID reason`` lines, # comments."""
    ignored = {}
    for line in text.splitlines():
        name, _, reason = line.partition("#")[0].strip().partition(" ")
        if name and not reason.strip():
            raise SystemExit(f"{IGNORED.name}: {name}: say after it why it is let pass")
        if name:
            ignored[name] = reason.strip()
    return ignored


def judge(report: dict[str, Any], ignored: dict[str, str]) -> tuple[list[str], int, int]:
    """Return vulnerabilities not let pass, and how many packages could and could not be asked of.

    Parameters
    ----------
    report : dict
        Of ``pip-audit --format json``.
    ignored : dict
        Reasons by vulnerability, by any of its names.
    """
    found, asked, unasked = [], 0, 0
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unasked += 1
            continue
        asked += 1
        for one in package["vulns"]:
            names = {one["id"], *one.get("aliases", ())}
            if not names & ignored.keys():
                fixed = ", ".join(one["fix_versions"]) or "none"
                found.append(
                    f"{package['name']} {package['version']}: {one['id']}, fixed in: {fixed}"
                )
    return found, asked, unasked


def main() -> int:
    """Run pip-audit and return the exit code."""
    ignored = read_ignored(IGNORED.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "audit.json"
        options = f"--skip-editable --progress-spinner off --timeout 10 -f json -o {out}".split()
        command = [sys.executable, "-m", "pip_audit", *options]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if not out.exists():
            if not UNREACHED.search(done.stderr):
                print(done.stderr, file=sys.stderr)
                return 2
            print("audit: NOTHING CHECKED, as the service of vulnerabilities can't be reached")
            return 0
        report = json.loads(out.read_text(encoding="utf-8"))
    found, asked, unasked = judge(report, ignored)
    print("\n".join(found), end="\n" if found else "")
    nothing = "" if asked else ": NOTHING CHECKED"
    print(f"audit: {len(found)} vulnerabilities in {asked} packages; {unasked} not known{nothing}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
