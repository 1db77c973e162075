"""Charts are looked at in the browser of the tests of pages."""

from tests.dashboard.conftest import chromium, open_page, open_url

__all__ = ["chromium", "open_page", "open_url"]
