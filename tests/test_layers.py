"""Who may import whom. A part may use those above it in ``ORDER``, and nothing below."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cryptodask"

FOR_ALL = ("text", "errors", "records", "timing", "io")
CALLS = "worker.calls"
"""Small calls that the cluster makes on workers: the one part of ``worker`` that it knows."""

ORDER = (
    "charts",
    "features",
    "volatility",
    "prices",
    "models",
    "evaluate",
    "results",
    CALLS,
    "cluster",
    "worker",
    "runs",
    "registry",
    "store",
    "trading",
    "risk",
    "pipeline",
    "tuning",
    "manager",
    "testing",
    "dashboard",
    "cli",
    "__main__",
)
HEAVY = {
    "tensorflow",
    "keras",
    "dask_ml",
    "bokeh",
    "matplotlib",
    "sqlalchemy",
    "alembic",
    "ccxt",
    "statsforecast",
    "prophet",
    "mlflow",
    "xgboost",
    "lightgbm",
}

MODULES = sorted(PACKAGE.rglob("*.py"))
INSIDE = [path for path in MODULES if path != PACKAGE / "__init__.py"]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST, package: str = "") -> set[str]:
    """Return the full names of all that is imported, at the top or inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -node.level + 1 or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from run_at_import(other)
            continue
        yield child
        yield from run_at_import(child)


INSIDE_STORE = {"sqlalchemy", "alembic"}
"""What modules of the store may import at once: nobody imports these before a store is opened."""


def heavy_at_import(tree: ast.Module) -> set[str]:
    """Return the heavy libraries that importing a module brings in."""
    statements = [n for n in run_at_import(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {name.partition(".")[0] for node in statements for name in imported(node)}
    return names & HEAVY


def parts_used(tree: ast.AST, package: str = "") -> set[str]:
    """Return the parts of this package that are imported: folders, or modules beside them."""
    names = imported(tree, package)
    return {part_of(name) for name in names if name.startswith("cryptodask.")}


def part_of(name: str) -> str:
    """Return the part that a module or a name in one belongs to."""
    return CALLS if f"{name}.".startswith(f"cryptodask.{CALLS}.") else name.split(".")[1]


def allowed(part: str) -> set[str]:
    """Return the parts that a part may import."""
    if part in FOR_ALL:
        # A folder may import from itself.
        inside = {part} if (PACKAGE / part).is_dir() else set()
        return inside | set(FOR_ALL[: FOR_ALL.index(part)])
    return {*FOR_ALL, *ORDER[: ORDER.index(part) + 1]}


def test_every_part_has_its_place() -> None:
    parts = {part_of(name_of(path)) for path in INSIDE}
    assert parts <= {*FOR_ALL, *ORDER}
    assert {"errors", "records", "features", "models"} <= parts


@pytest.mark.parametrize("path", INSIDE, ids=name_of)
def test_a_part_imports_only_from_those_above_it(path: Path) -> None:
    name = name_of(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    used = parts_used(parse(path), package) - {"__version__"}
    assert used <= allowed(part_of(name))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_libraries_are_imported_inside_functions_only(path: Path) -> None:
    name = name_of(path)
    is_inside = name.startswith("cryptodask.store.")
    assert heavy_at_import(parse(path)) <= (INSIDE_STORE if is_inside else set())
    if not is_inside:
        at_once = [n for n in run_at_import(parse(path)) if isinstance(n, ast.ImportFrom)]
        inside = [n.module for n in at_once if (n.module or "").startswith("cryptodask.store.")]
        assert set(inside) <= {"cryptodask.store.records"}  # which needs no database


def libraries(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(parse(path)) if name}


@pytest.mark.parametrize("path", INSIDE, ids=name_of)
def test_the_numerical_core_knows_nothing_of_dask_nor_the_cluster_of_models(path: Path) -> None:
    part = name_of(path).split(".")[1]
    if part in ("errors", "records", "features", "volatility", "models", "evaluate"):
        assert not libraries(path) & {"dask", "distributed"}
    if part == "cluster":
        assert not parts_used(parse(path)) & {"prices", "features", "models", "evaluate"}


def test_errors_need_only_text_and_records_only_numpy() -> None:
    standard = set(sys.stdlib_module_names)
    assert libraries(PACKAGE / "text.py") <= standard
    assert libraries(PACKAGE / "errors.py") <= standard | {"cryptodask"}
    assert parts_used(parse(PACKAGE / "errors.py")) == {"text"}
    assert libraries(PACKAGE / "records.py") - standard == {"numpy"}


# The reading itself: it has to see an import wherever one can hide.


@pytest.mark.parametrize(
    "code",
    [
        "import keras",
        "import numpy, keras.layers as layers",
        "from keras import layers",
        "from keras.layers import LSTM",
        "try:\n    import keras\nexcept ImportError:\n    keras = None",
        "class A:\n    import keras",
        "if True:\n    import keras",
        "if TYPE_CHECKING:\n    import numpy\nelse:\n    import keras",
        "with open('x'):\n    import keras",
    ],
)
def test_an_import_that_runs_at_once_is_seen(code: str) -> None:
    assert heavy_at_import(ast.parse(code)) == {"keras"}


@pytest.mark.parametrize(
    "code",
    [
        "def f():\n    import keras",
        "class A:\n    def f(self):\n        from keras import layers",
        "if TYPE_CHECKING:\n    import keras",
        "if typing.TYPE_CHECKING:\n    from keras import layers",
        "import keras_tuner",
        "name = 'keras'",
    ],
)
def test_an_import_that_does_not_run_at_once_is_let_pass(code: str) -> None:
    assert heavy_at_import(ast.parse(code)) == set()


@pytest.mark.parametrize(
    "code",
    [
        "import cryptodask.dashboard.view",
        "from cryptodask import dashboard",
        "from cryptodask.dashboard import view",
        "from ..dashboard import view",
        "from .. import dashboard",
        "def f():\n    from cryptodask.dashboard.view import build_view",
        "if TYPE_CHECKING:\n    import cryptodask.dashboard",
        "import_module('cryptodask.dashboard')",
        "importlib.import_module('cryptodask.dashboard.view')",
    ],
)
def test_a_part_that_is_used_is_seen_wherever_it_is_imported(code: str) -> None:
    assert parts_used(ast.parse(code), "cryptodask.models") == {"dashboard"}
    assert not {"dashboard"} <= allowed("models")


def test_what_is_allowed_is_what_lies_above() -> None:
    assert allowed("text") == set()
    assert allowed("errors") == {"text"}
    assert allowed("records") == {"text", "errors"}
    assert allowed("prices") == {*FOR_ALL, "charts", "features", "volatility", "prices"}
    assert allowed("models") == allowed("prices") | {"models"}
    assert "manager" in allowed("cli")
    assert "manager" not in allowed("cluster")
    assert CALLS in allowed("cluster")
    assert "worker" not in allowed("cluster")
    assert part_of("cryptodask.worker.calls.same") == CALLS
    assert part_of("cryptodask.worker.job") == part_of("cryptodask.worker") == "worker"
