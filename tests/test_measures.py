"""The measures of a tree are those that one counts by hand."""

import json
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from tests.ci_script import load_script


@pytest.fixture(scope="module")
def measures() -> ModuleType:
    return load_script("measures")


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / "cryptodask" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
    return root


def shares(measures: ModuleType, root: Path, what: str) -> tuple[int, int]:
    counts = measures.measure(measures.read_tree(root))[what]
    return counts["having"], counts["of"]


SIZES = '''
"""Six lines of functions, a class of seven."""

def first(
    a,
):
    """Two lines

    of docstring."""
    b = a

    return b


class A:
    """A class."""

    def second(self):
        def inner():
            pass
        return inner
'''


def test_sizes(measures: ModuleType, tmp_path: Path):
    root = write(tmp_path, part__a=SIZES, part__b="a = 1\n", top="a = 1\n\n")
    counts: dict[str, Any] = measures.measure(measures.read_tree(root))
    assert counts["lines"] == {"part/": 21, "top.py": 2}
    assert counts["total"] == 23
    assert counts["module"] == {
        "count": 3, "median": 2, "max": 20, "where": "cryptodask/part/a.py"
    }  # fmt: skip
    assert counts["class"]["max"] == 7
    assert counts["class"]["where"] == "cryptodask/part/a.py:14 A"
    # Without docstring: first 6 lines, second 4, inner 2.
    assert (counts["body"]["median"], counts["body"]["max"]) == (4, 6)
    assert counts["body"]["where"] == "cryptodask/part/a.py:3 first"


@pytest.mark.parametrize(
    ("code", "having", "needing"),
    [
        ("def f(a: NDArray[np.float64]): 'Of ``(n_rows,)``.'", 1, 1),
        ("def f() -> Mine | None: 'Of ``(n_coins, horizon + 1)``.'\nMine = NDArray[Any]", 1, 1),
        ("def f(a: Panel): 'Rows (and others).'", 0, 1),
        ("def f(a: np.ndarray): pass", 0, 1),
        ("def f(a: Sequence[Mine]): 'Rows.'\nMine = NDArray[np.int64]", 0, 1),
        ("def f(a: int): 'Of ``(n_rows,)``.'", 0, 0),
        ("def _f(a: Panel): 'Rows.'", 0, 0),
        ("class _A:\n    def f(self, a: Panel): 'Rows.'", 0, 0),
        ("class A:\n    def f(self, a: Panel): 'Rows.'", 0, 1),
        ("@dataclass(frozen=True)\nclass A:\n    '``(n,)``'\n    a: ArrayLike", 1, 1),
        ("@dataclass\nclass A:\n    a: ClassVar[ArrayLike]", 0, 0),
        ("class A:\n    a: ArrayLike", 0, 0),
        ("@overload\ndef f(a: Panel): ...\ndef f(a: Panel): '``(n,)``'", 1, 1),
        ("def f():\n    def g(a: Panel): pass", 0, 0),
    ],
)
def test_shapes(measures: ModuleType, tmp_path: Path, code: str, having: int, needing: int):
    assert shares(measures, write(tmp_path, a=code), "shapes") == (having, needing)


SECTIONS = '''
def with_section(a):
    """Rows.

    Parameters
    ----------
    a : int
    """


def with_prose(a):
    """Rows of a. Parameters: a."""


def with_another(a):
    """Rows.

    Raises
    ------
    ValueError
    """


def without_parameters():
    """Rows."""


class A:
    """Rows."""

    def method(self):
        """Rows."""


@dataclass
class B:
    """Rows.

    Attributes
    ----------
    a : int
    """

    a: int
'''


def test_sections(measures: ModuleType, tmp_path: Path):
    assert shares(measures, write(tmp_path, a=SECTIONS), "sections") == (2, 4)


@pytest.mark.parametrize(
    ("code", "having", "needing"),
    [
        ("def f(timeout: float): 'Waits N seconds.'", 1, 1),
        ("def f(timeout: float): 'Waits.'", 0, 1),
        ("def f(timeout: str): 'Waits.'", 0, 0),
        ("def f(rows: float): 'Rows.'", 0, 0),
        ("def f(horizon: int, closes: FloatArray): 'Closes in USD.'", 0, 1),
        ("def f(horizon: int, closes: FloatArray): 'Closes in USD, N bars.'", 1, 1),
        ("def volatility() -> float: 'Standard deviation of log returns.'", 1, 1),
        ("def volatility() -> float: 'Standard deviation.'", 0, 1),
        ("@dataclass\nclass A:\n    'Size in bytes.'\n    memory: int", 1, 1),
        ("class A:\n    'In seconds.'\n    def f(self, delay: float): 'Waits.'", 1, 1),
        ("def f(delay: float): 'Waits milliseconds_of.'", 0, 1),
    ],
)
def test_units(measures: ModuleType, tmp_path: Path, code: str, having: int, needing: int):
    assert shares(measures, write(tmp_path, a=code), "units") == (having, needing)


BASE = "class Base:\n    def f(self, a: int): 'Rows.'\n    def _g(self): pass\n"


def test_a_method_that_overrides_has_the_docstring_of_its_base(
    measures: ModuleType, tmp_path: Path
):
    middle = "class Middle(Base):\n    pass\n"
    last = "class Last(Middle):\n    def f(self, a: int): pass\n    def h(self): pass\n"
    root = write(tmp_path, part__a=last, part__b=middle, c=BASE)
    assert shares(measures, root, "docs") == (1, 2)


def test_what_lacks_something_is_listed(
    measures: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = write(tmp_path, a="\n\nclass A:\n    def f(self, a: Panel): pass\n")
    for what in ("shapes", "sections", "docs"):
        assert measures.main([str(root), "--list", what]) == 0
        assert capsys.readouterr().out == "cryptodask/a.py:2 A.f\n"
    assert measures.main([str(root), "--list", "units"]) == 0
    assert capsys.readouterr().out.strip() == ""


def long_tree(root: Path, *, more: int) -> Path:
    body = "def f():\n" + "    a = 1\n" * (44 + more)
    methods = "class A:\n" + "    a = 1\n" * (299 + more)
    return write(root, a=body, b=methods, c="a = 1\n" * (350 + more))


def test_limits(measures: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert measures.main([str(long_tree(tmp_path / "at", more=0)), "--check"]) == 0
    capsys.readouterr()
    assert measures.main([str(long_tree(tmp_path / "over", more=1)), "--check"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "cryptodask/c.py: module of 351 lines, limit 350: split it",
        "cryptodask/b.py:1 A: class of 301 lines, limit 300: split it",
        "cryptodask/a.py:1 f: body of 46 lines, limit 45: split it",
    ]


SECTION = "\n\nParameters\n----------"


@pytest.mark.parametrize(
    ("what", "least", "parameter", "having", "lacking"),
    [
        ("shapes", 9, "a: Panel", f"Of ``(n_rows,)``.{SECTION}", f"Rows.{SECTION}"),
        ("units", 8, "timeout: float", f"In seconds.{SECTION}", f"Waits.{SECTION}"),
        ("sections", 7, "a: str", f"Rows.{SECTION}", "Rows."),
    ],
)
def test_least_shares(
    measures: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    least: int,
    parameter: str,
    having: str,
    lacking: str,
):
    def check(count: int) -> tuple[int, str]:
        docs = [having] * count + [lacking] * (10 - count)
        code = "".join(f"def f{i}({parameter}): {doc!r}\n" for i, doc in enumerate(docs))
        root = write(tmp_path / str(count), a=code)
        return measures.main([str(root), "--check"]), capsys.readouterr().out

    assert check(least) == (0, "no limit broken\n")
    assert check(least - 1) == (
        1, f"{what}: {least - 1} of 10 docstrings, at least {least}0% must have them: see "
        f"--list {what}\n",
    )  # fmt: skip


def test_table_and_json_say_the_same(
    measures: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = write(tmp_path, a=SECTIONS)
    assert measures.main([str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == measures.measure(measures.read_tree(root))
    assert measures.main([str(root)]) == 0
    assert "functions with parameters: sections     50%   2 of 4" in capsys.readouterr().out


def test_a_folder_without_the_package_is_refused(measures: ModuleType, tmp_path: Path):
    with pytest.raises(SystemExit, match="give the root of the repository"):
        measures.main([str(tmp_path)])
