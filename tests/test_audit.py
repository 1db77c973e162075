"""The check for known vulnerabilities fails for them, and for nothing else."""

from types import ModuleType
from typing import Any

import pytest

from tests.ci_script import load_script


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    return load_script("audit")


def report(*vulnerabilities: dict[str, Any]) -> dict[str, Any]:
    """What pip-audit writes."""
    return {
        "dependencies": [
            {"name": "sound", "version": "1.0", "vulns": []},
            {"name": "hollow", "version": "2.0", "vulns": list(vulnerabilities)},
            {"name": "unknown", "skip_reason": "Dependency not found on PyPI"},
        ],
        "fixes": [],
    }


ONE = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"], "description": "…"}


def test_a_vulnerability_is_found_and_what_was_not_asked_is_counted(audit: ModuleType):
    assert audit.judge(report(), {}) == ([], 2, 1)
    found, asked, unasked = audit.judge(report(ONE), {"CVE-2": "another"})
    assert found == ["hollow 2.0: PYSEC-1, fixed in: 2.1"]
    assert (asked, unasked) == (2, 1)


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-1"])
def test_it_is_let_pass_by_any_of_its_names_for_a_reason(audit: ModuleType, name: str):
    ignored = audit.read_ignored(f"# why\n\n{name}  only of Windows  # since May\n")
    assert ignored == {name: "only of Windows"}
    assert audit.judge(report(ONE), ignored)[0] == []


def test_without_a_reason_nothing_is_let_pass(audit: ModuleType):
    with pytest.raises(SystemExit, match="CVE-1: say after it why"):
        audit.read_ignored("CVE-1\n")
    audit.read_ignored(audit.IGNORED.read_text(encoding="utf-8"))
