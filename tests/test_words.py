"""The lint of phrases and names sees what it is for, and lets plain English pass."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.ci_script import load_script


@pytest.fixture(scope="module")
def words() -> ModuleType:
    return load_script("words")


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("The latest so many rows.", "so many"),
        ("So many rows.", "So many"),
        ("rows of which the last counts", "of which"),
        ("there is no folder", "is no"),
        ("the run goes on", "goes on"),
        ("Print it, and leave.", "and leave"),
        ("what comes of a state", "what comes of"),
        ("what was to be seen", "to be seen"),
        ("the worst of each in turn", "in turn"),
        ("1 runs under way", "under way"),
        ("a dear model", "dear"),
        ("the dearest coin", "dearest"),
        ("Tell whether it has rows.", "Tell"),
        ("the scheduler is told", "told"),
        ("a name of its own", "of its own"),
        ("rows of their own", "of their own"),
        ("rounds of their own for each date", "of their own"),
        ("a clock of its own; a plugin", "of its own"),
        ("a name of its\nown and a place", "of its own"),
        ("he told five people that they may drift apart", "told"),
        ("the latest so\nmany rows", "so many"),
        ("    # the latest so\n    # many rows", "so many"),
        ('    f"the latest so "\n    f"many rows"', "so many"),
    ],
)
def test_a_phrase_is_seen_in_text_comments_and_messages(words: ModuleType, text: str, phrase: str):
    problems = words.problems_in("a.md", f"A first line.\n{text}\n")
    assert len(problems) == 1
    assert problems[0].startswith(f"a.md:2: {phrase}: ")
    assert not problems[0].endswith(": ")


@pytest.mark.parametrize(
    "text",
    [
        "The last N rows.",
        "also many",
        "it is not there",
        "is none",
        "Whether it has rows.",
        "they can't be told apart",
        "fields that tell runs in one\nfolder apart",
        "computed from rows of its own file",
        "as of their\nown dates",
        "of its own `seed`",
        "position = file.tell()",
        "it leaves a file, and leaves no other",
        "a heading\n\n- of\n\nwhich",
        "its own name",
    ],
)
def test_plain_english_passes(words: ModuleType, text: str):
    assert words.problems_in("a.md", text) == []


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "found: int",
        "found += 1",
        "a, (b, *found) = c",
        "for found in a: pass",
        "[found for found in a]",
        "with a as found: pass",
        "def f(found): pass",
        "def f(*, found=1): pass",
        "def f(*found): pass",
        "lambda found: 1",
        "self.found = 1",
        "class A:\n    found: int = 1",
        "if (found := a): pass",
        "try: pass\nexcept OSError as found: pass",
        "import os as found",
        "match a:\n    case [found]: pass",
        "match a:\n    case [*found]: pass",
        "match a:\n    case {**found}: pass",
    ],
)
def test_a_name_that_says_nothing_is_seen_wherever_it_is_assigned(words: ModuleType, code: str):
    problems = words.problems_in("a.py", code)
    assert problems
    assert all(": name found: " in problem for problem in problems)
    assert words.problems_in("a.md", code) == []


@pytest.mark.parametrize("name", ["told", "one", "made", "found", "whole", "asked", "own"])
def test_each_name_is_seen(words: ModuleType, name: str):
    problems = words.problems_in("a.py", f"{name} = 1")
    assert f"a.py:1: name {name}: name what it holds" in problems


def test_names_that_are_only_read_or_that_hold_more_words_pass(words: ModuleType):
    code = "print(found, a.found)\nfound_rows = 1\n'found'\ndef one(): pass\nf(found=1)"
    assert words.problems_in("a.py", code) == []


def test_a_tree_with_problems_fails_and_a_clean_one_does_not(
    words: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "cryptodask" / "part").mkdir(parents=True)
    file = tmp_path / "cryptodask" / "part" / "a.py"
    file.write_text('"""Rows."""\n')
    (tmp_path / "README.md").write_text("# Rows\n")
    assert words.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "words: 0 to rewrite in 2 files\n"

    file.write_text('"""So many."""\n\nown = 1\n')
    (tmp_path / "README.md").write_text("There is no row.\n")
    assert words.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[0].partition(": ")[0] for line in lines[:-1]] == [
        "README.md:1",
        "cryptodask/part/a.py:1",
        "cryptodask/part/a.py:3",
    ]
    assert lines[-1] == "words: 3 to rewrite in 2 files"


def test_a_folder_without_files_is_not_taken_for_clean(words: ModuleType, tmp_path: Path):
    assert words.main([str(tmp_path)]) == 1
