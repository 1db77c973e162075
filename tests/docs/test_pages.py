"""The code blocks of README, CONTRIBUTING, concepts and reference do what the pages say."""

from collections.abc import Callable

import pytest

from tests.docs.blocks import PAGES, blocks_of

RUN = [
    page
    for page in PAGES
    if not page.startswith("docs/how-to/")
    and not all(block.is_parsed_only for block in blocks_of(page))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page: str, read: Callable[[str], None]) -> None:
    read(page)
