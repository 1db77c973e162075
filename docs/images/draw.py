"""Draw the pictures of README and the first page again: ``make pictures``.

``terminal.svg`` is what a command prints, by rich; ``page.png`` is the page that it writes, in
chromium. Both are of the sample, so that they only change with the code.
"""

import contextlib
import re
import subprocess
import tempfile
from pathlib import Path

from cryptodask.cli.app import app
from cryptodask.cli.show import out

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

COMMAND = "forecast data --model naive --model ridge --intervals --plot page.html"
WIDTH = 110


def main() -> None:
    """Draw both."""
    out.record, out.width = True, WIDTH
    out.print(f"$ cryptodask {COMMAND}", highlight=False)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("data").symlink_to(ROOT / "data")
        with contextlib.suppress(SystemExit):
            app(COMMAND.split(), standalone_mode=False)
        draw_terminal()
        draw_page(Path(folder) / "page.html")


def draw_terminal() -> None:
    """Write what was printed, without the fonts that rich would have loaded from elsewhere."""
    svg = out.export_svg(title="cryptodask", unique_id="terminal")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
    assert not re.search(r"url\([\"']?http", svg)
    (HERE / "terminal.svg").write_text(svg, encoding="utf-8")


def draw_page(page: Path) -> None:
    """Write a screenshot of a page."""
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1200,680"]
    target = f"--screenshot={HERE / 'page.png'}"
    time = "--virtual-time-budget=5000"  # ms, for the page to draw itself
    subprocess.run(["chromium", *options, time, target, page.as_uri()], check=True)


if __name__ == "__main__":
    main()
