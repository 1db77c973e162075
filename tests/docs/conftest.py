"""What pages call ``my-prices`` and ``my-table``, and someone who reads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cryptodask import import_prices
from tests.ci_script import ROOT
from tests.docs.blocks import blocks_of
from tests.docs.running import Reader, lay_out

COINS = ("Bitcoin", "Ethereum", "Monero", "Litecoin", "Dash", "Stellar")
DAYS = 700


@pytest.fixture(scope="session")
def my_prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of six coins of the sample, under the names that pages use."""
    folder = tmp_path_factory.mktemp("docs") / "my-prices"
    folder.mkdir()
    long = [
        lines
        for path in sorted((ROOT / "data").glob("*.csv"))
        if len(lines := path.read_text(encoding="utf-8").splitlines()) > DAYS
        and len({line.split(",")[-3] for line in lines}) > DAYS / 2  # closes that vary
    ]
    for coin, lines in zip(COINS, long, strict=False):
        (folder / f"{coin}.csv").write_text("\n".join(lines[: DAYS + 1]) + "\n")
    return folder


@pytest.fixture(scope="session")
def my_table(my_prices: Path) -> Path:
    """A table of those."""
    import_prices(my_prices, my_prices.parent / "my-table")
    return my_prices.parent / "my-table"


@pytest.fixture
def read(
    tmp_path: Path, my_table: Path, my_prices: Path, request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """A function that runs the blocks of a page, but for those that are only parsed."""

    def run_page(page: str) -> None:
        blocks = [block for block in blocks_of(page) if not block.is_parsed_only]
        if any(block.mark == "s3" for block in blocks):
            # The environment has the server's address from then on.
            request.getfixturevalue("store").fs.mkdir("bucket")
        with Reader(lay_out(tmp_path / "reader", my_table, my_prices)) as reader:
            for block in blocks:
                reader.run(block)

    return run_page
