"""The page on Keras networks: its code runs, and it names what is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cryptodask.models.keras.base import OURS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "keras.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python(?: file=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    script = "if __name__ == '__main__':\n"
    for file, code in BLOCK.findall(PAGE):
        if file:
            (tmp_path / file).write_text(code, encoding="utf-8")
        else:
            script += "".join(f"    {line}\n" for line in code.splitlines())
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"keras:mine:build", done.stdout), done.stdout


def test_the_page_names_each_option_with_its_default() -> None:
    for option, (_, default) in OURS.items():
        shown = f"{default:,}" if isinstance(default, int) else "none"
        assert re.search(rf"`{option}`\s+\({shown}\b", PAGE), option
