"""No file of the package imports, by whatever way round, one that imports it.

All imports count, at the top of files, inside functions and below ``if TYPE_CHECKING``: the last
two hide a circle from Python, not from a reader, who has to know both files to read either. Only
``__version__`` may be imported from the package itself, which imports its public parts.
"""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def name_of(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


class Imports(ast.NodeVisitor):
    """Names that a file imports, at its top, inside functions and for types only."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.names: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        self.names += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        above = self.package.split(".")[: 1 - node.level or None] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        self.names += [f"{module}.{alias.name}" for alias in node.names]

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func).endswith("import_module"):
            self.names += [a.value for a in node.args if isinstance(a, ast.Constant)]
        self.generic_visit(node)


def imports_between(root: Path, package: str) -> dict[str, set[str]]:
    """Return the modules of a package that each of them imports.

    ``from a.b import c`` is an import of ``a.b.c`` where that is a module, else of ``a.b``.
    """
    paths = {name_of(path, root): path for path in sorted((root / package).rglob("*.py"))}
    edges: dict[str, set[str]] = {}
    for name, path in paths.items():
        reader = Imports(name if path.name == "__init__.py" else name.rpartition(".")[0])
        reader.visit(ast.parse(path.read_text(encoding="utf-8")))
        edges[name] = set()
        for imported in reader.names:
            if imported == f"{package}.__version__":
                continue
            module = imported if imported in paths else imported.rpartition(".")[0]
            if module in paths and module != name:
                edges[name].add(module)
    return edges


def reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    """Return what can be reached from a module by one import or more."""
    reached: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += edges[module]
    return reached


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module, each sorted."""
    after = {module: reachable(edges, module) for module in edges}
    components = {
        tuple(sorted(other for other in after[module] if module in after[other]))
        for module in edges
        if module in after[module]
    }
    return [list(component) for component in sorted(components)]


def test_no_module_imports_one_that_imports_it() -> None:
    assert circles(imports_between(ROOT, "cryptodask")) == []


# The reading itself: it has to see an import wherever one can hide.


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("import p.a", "p.a"),
        ("import p.part.b as b", "p.part.b"),
        ("from p import a", "p.a"),
        ("from p.a import name", "p.a"),
        ("from p import name", "p"),
        ("from p.part import name", "p.part"),
        ("from p.part import b", "p.part.b"),
        ("from . import b", "p.part.b"),
        ("from .b import name", "p.part.b"),
        ("from .. import a", "p.a"),
        ("from ..a import name", "p.a"),
        ("def f():\n    from p.a import name", "p.a"),
        ("class A:\n    def f(self):\n        import p.a", "p.a"),
        ("if TYPE_CHECKING:\n    import p.a", "p.a"),
        ("try:\n    import p.a\nexcept ImportError:\n    pass", "p.a"),
        ("import_module('p.a')", "p.a"),
    ],
)
def test_an_import_is_seen_wherever_it_is(tmp_path: Path, code: str, module: str) -> None:
    for name in ("__init__", "a", "part/__init__", "part/b", "part/c"):
        path = tmp_path / "p" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code if name == "part/c" else "")
    assert imports_between(tmp_path, "p")["p.part.c"] == {module}


@pytest.mark.parametrize(
    "code",
    [
        "import numpy",
        "import pa.a",
        "from p import __version__",
        "name = 'p.a'",
        "from p.c import name",
    ],
)
def test_other_imports_are_let_pass(tmp_path: Path, code: str) -> None:
    for name in ("__init__", "a", "c"):
        path = tmp_path / "p" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code if name == "c" else "")
    assert imports_between(tmp_path, "p")["p.c"] == set()


@pytest.mark.parametrize(
    ("edges", "components"),
    [
        ({"a": "b", "b": "c", "c": ""}, []),
        ({"a": "b", "b": "a"}, ["ab"]),
        ({"a": "b", "b": "c", "c": "a", "d": "a"}, ["abc"]),
        ({"a": "b", "b": "ac", "c": "d", "d": "c"}, ["ab", "cd"]),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, []),
    ],
)
def test_circles_are_found(edges: dict[str, str], components: list[str]) -> None:
    graph = {module: set(others) for module, others in edges.items()}
    assert circles(graph) == [list(component) for component in components]
