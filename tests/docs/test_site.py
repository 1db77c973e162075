"""The site builds without a warning, loads nothing from elsewhere, and its links lead somewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer

import cryptodask.errors
from cryptodask.cli.app import app
from cryptodask.models import list_models
from tests.ci_script import ROOT
from tests.docs.blocks import PAGES, blocks_of, check_block

LINK = re.compile(r"\]\(([^)\s]+)\)")
"""The target of a link or picture in Markdown."""


class Page(HTMLParser):
    """The links of a page, what it loads, and the places in it that links may lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif tag == "link" and values.get("rel") != "canonical":
            self.loaded.add(values.get("href", ""))
        elif "src" in values:
            self.loaded.add(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as ``make docs`` builds it."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    where = ["-b", "html", "-d", str(out / "trees"), str(ROOT / "docs"), str(out / "html")]
    ended = subprocess.run([*command, *where], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """All pages of the site."""
    return {path: Page(path) for path in site.rglob("*.html")}


@pytest.mark.slow
def test_all_links_of_the_site_lead_somewhere(pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.exists() or (parts.fragment and parts.fragment not in anchors):
                lost.append(f"{path.name}: {link}")
    assert lost == []
    assert len(pages) > 60


@pytest.mark.slow
def test_a_page_loads_nothing_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert not {link for page in pages.values() for link in page.loaded if urlsplit(link).netloc}
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles
    assert not [text for text in styles if re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text)]


@pytest.mark.slow
def test_links_to_elsewhere_are_urls(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "https", link
                assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), link


@pytest.mark.slow
@pytest.mark.parametrize("model", list_models())
def test_a_model_has_a_page_with_a_picture(site: Path, model: str) -> None:
    path = site / "generated" / "models" / f"{model}.html"
    pictures = [link for link in Page(path).loaded if link.endswith(f"/{model}.svg")]
    assert pictures
    assert (path.parent / pictures[0]).stat().st_size > 5_000


@pytest.mark.slow
def test_every_command_has_a_page(site: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) > 15
    for name in commands:
        assert (site / "generated" / "commands" / f"{name}.html").exists()


@pytest.mark.slow
def test_commands_of_the_gallery_are_there(site: Path) -> None:
    assert site.exists()
    blocks = blocks_of("docs/generated/gallery.md")
    assert len(blocks) > 3
    for block in blocks:
        check_block(block, blocks)


@pytest.mark.slow
def test_every_error_is_listed(site: Path) -> None:
    text = (site / "generated" / "errors.html").read_text(encoding="utf-8")
    names = [name for name, kind in vars(cryptodask.errors).items() if isinstance(kind, type)]
    assert len(names) > 20
    assert not [name for name in names if f">{name}<" not in text]


@pytest.mark.parametrize("page", [*PAGES, "ARCHITECTURE.md", "SECURITY.md", "deploy/README.md"])
def test_files_that_a_page_links_to_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)):
        parts = urlsplit(link)
        if not parts.scheme and parts.path and "generated/" not in parts.path:
            assert ((ROOT / page).parent / parts.path).exists(), link


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_pictures_in_the_repository_are_small() -> None:
    for path in (ROOT / "docs").rglob("*"):
        if path.suffix in (".png", ".svg", ".gif") and "generated" not in path.parts:
            assert path.stat().st_size < 200_000, path
