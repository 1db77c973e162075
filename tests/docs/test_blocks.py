"""Every code block of the documents is parsed; those that can be are run by the tests beside."""

import re

import pytest

from tests.ci_script import ROOT
from tests.docs.blocks import PAGES, Block, blocks_of, check_block
from tests.docs.running import assert_printed

BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_what_a_block_names_is_there(block: Block) -> None:
    check_block(block, blocks_of(block.page))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_mark_is_one_that_is_known(block: Block) -> None:
    assert re.fullmatch(r"|s3|exit \d+|parsed: .{5,}", block.mark)


@pytest.mark.parametrize("page", PAGES)
def test_every_comment_stands_above_a_block(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(re.findall(r"^<!-- block:", text, re.M)) == sum(
        bool(block.mark) for block in blocks_of(page)
    )
    assert text.count("\n```") % 2 == 0


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("cryptodask forecats data", "no command 'forecats'"),
        ("cryptodask forecast data --horizno 3", "no option --horizno"),
        ("cryptodask prices import data --Out table", "no option --Out"),
        ("cryptodask prices imports", "no command 'imports'"),
        ("cryptodask prices", "which command of prices"),
        ("make forcast", "forcast"),
        ("pip install 'cryptodask[fech]'", "fech"),
        ("kubectl apply -k deploy/kubernets", "kubernets"),
        ("export A=1 && frobnicate", "frobnicate"),
    ],
)
def test_what_is_not_there_is_seen(command: str, missing: str) -> None:
    block = Block("page", 1, "", "console", f"$ {command}\n")
    with pytest.raises(AssertionError, match=missing):
        check_block(block, [block])


@pytest.mark.parametrize(
    ("output", "matches"),
    [
        ("a\nb 3 s\nc\n", True),
        ("  a \n\nb 3 s\nc\n", True),
        ("a\nb\nc\n", False),
        ("a\nmore\nand more\nb 3 s\nc\n", True),
        ("a\nb 3 s\nc\nd\n", False),
    ],
)
def test_what_is_printed_is_compared(output: str, matches: bool) -> None:
    def compare() -> None:
        assert_printed("a\n…\nb … s\n\nc \n", output, "page")

    if matches:
        compare()
    else:
        with pytest.raises(AssertionError, match="it prints"):
            compare()


def test_most_blocks_are_run() -> None:
    parsed = [block for block in BLOCKS if block.is_parsed_only]
    assert len(parsed) < len(BLOCKS) / 4


def test_the_pages_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md"} <= set(PAGES)
    assert len(PAGES) > 25
