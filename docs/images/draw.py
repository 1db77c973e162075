"""Draw the pictures of README and the first page again: ``make pictures``.

``terminal.svg`` is what a command prints, by rich; ``page.png`` is the page that it writes, in
chromium by Playwright. Both are of the sample, so that they only change with the code.
"""

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

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
    """Write a screenshot of a page, as it is on the day after the sample's last."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 680}, color_scheme="light")
        tab.clock.set_fixed_time("2026-07-01")
        tab.goto(page.as_uri())
        tab.wait_for_function("globalThis.Bokeh?.documents[0]?.is_idle")
        tab.screenshot(path=HERE / "page.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
