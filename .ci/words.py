"""Fail on phrases and names that a reader stumbles over, and print what to write instead.

``python .ci/words.py [ROOT]`` reads the package (docstrings, comments, messages and code) and the
documents beside it. Phrases are seen across line breaks. Names are those that code assigns:
variables, parameters, loop variables, fields and attributes.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
READ = ("cryptodask/**/*.py", "dags/*.py", "docs/**/*.md", "README.md", "ARCHITECTURE.md",
        "CONTRIBUTING.md", "CHANGELOG.md")  # fmt: skip

# "They tell two coins apart" is plain, and so is "rows of its own file": its own, and a noun. What
# follows "a name of its own" is none.
APART = r"(?: [\w'`]+){0,4} apart"
NOT_NOUNS = (
    "a|after|also|an|and|are|as|at|because|before|but|by|can|for|from|has|have|if|in|is|it|may|no|"
    "nor|not|of|on|or|over|so|such|than|that|the|then|there|they|to|under|unless|until|was|were|"
    "when|where|which|while|who|whose|with|without"
)
NOUN = rf" (?!(?:{NOT_NOUNS})\b)[\w`]"

PHRASES = {
    "so many": 'the number: "N", "the last N rows", "every N origins"',
    "of which": 'two sentences, or "whose", "with", "including"',
    "is no": '"there is no x": "x is missing"; "x is no y": "x is not a y"',
    "goes on": '"continues", or "resumes" of a run',
    "and leave": '"and exit"',
    "what comes of": '"the result of"',
    "to be seen": '"visible"',
    "in turn": '"alternately" or "one after the other"',
    "under way": '"in progress"',
    "dear|dearer|dearest": '"expensive"',
    rf"(?<!\.)(?:tell|tells|telling|told)(?!{APART})": '"report", "say"; "Tell whether": "Whether"',
    rf"of (?:its|their) own(?!{NOUN})": '"its own x", "their own x", or "separate"',
}
"""What to write instead of each phrase; ``file.tell()`` and "tell two coins apart" pass."""

NAMES = {"told", "one", "made", "found", "whole", "asked", "own"}
HINT = "name what it holds"

# Between two words: spaces, or a line break with the quotes or the # of a comment around it.
GAP = r"""(?:[ \t"']*\n[ \tfr"'#>*]*|[ \t]+)"""
PATTERNS = {
    re.compile(rf"\b(?:{phrase.replace(' ', GAP)})\b", re.IGNORECASE): instead
    for phrase, instead in PHRASES.items()
}


def phrases_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, phrase and what to write instead."""
    for pattern, instead in PATTERNS.items():
        for match in pattern.finditer(text):
            words = re.sub(GAP, " ", match.group())
            yield text.count("\n", 0, match.start()) + 1, words, instead


def assigned_names(node: ast.AST) -> list[str]:
    """Return the names that a node of code gives to values."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            return [name]
        case ast.arg(arg=name) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname for alias in aliases if alias.asname]
    return []


def names_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and hint for each name in `NAMES` that code assigns."""
    for node in ast.walk(ast.parse(text)):
        for name in assigned_names(node):
            if name in NAMES:
                yield getattr(node, "lineno", 0), f"name {name}", HINT


def problems_in(path: str, text: str) -> list[str]:
    """Return ``path:line: phrase: write …`` for each phrase or name in a file."""
    problems = [*phrases_in(text), *(names_in(text) if path.endswith(".py") else ())]
    return [f"{path}:{line}: {words}: {hint}" for line, words, hint in sorted(problems)]


def check(root: Path) -> tuple[list[str], int]:
    """Return the problems below a root, and how many files were read."""
    paths = sorted({path for pattern in READ for path in root.glob(pattern)})
    problems = [
        problem
        for path in paths
        for problem in problems_in(
            path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        )
    ]
    return problems, len(paths)


def main(arguments: list[str]) -> int:
    """Print the problems and return the exit code."""
    problems, files = check(Path(arguments[0]) if arguments else ROOT)
    print("\n".join(problems), end="\n" if problems else "")
    print(f"words: {len(problems)} to rewrite in {files} files")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
