"""Measure a tree of this project: how large its parts are, and what its docstrings give.

``python .ci/measures.py [ROOT]`` prints a table, with ``--json`` as JSON. ``--check`` prints what
is over one of `LIMITS` or under one of `SHARES` and exits with 1. ``--list shapes``, ``sections``,
``units`` or ``docs`` prints the functions that lack them. The code is read, never imported.

lines
    All lines of a file, blank ones and comments too. Folders are those in ``cryptodask/``; files
    beside them stand alone.
class
    Lines from ``class`` to the last one, docstring and methods too.
body
    Lines from ``def`` to the last one, without the docstring. Private and inner functions count.
public function
    Function of a module, or method or property of a public class, without ``_`` in front of its
    name. Overloads don't count, nor do methods without docstring that override one of a base
    class: they have the docstring of that.
public dataclass
    Its fields are the parameters of its constructor, so it counts as a function below.
shapes
    Functions with an array among parameters or result (``ndarray``, ``NDArray``, an alias of it
    such as ``FloatArray``, or ``Panel``) whose docstring has a tuple of dimensions, such as
    ``(n_coins, horizon)`` or ``(n_rows,)``.
units
    Functions with a quantity: a number or an array whose name is one of `QUANTITIES`, among the
    parameters, or the function's name for what it returns. For each kind of quantity, the
    docstring (of a method: or its class's) must have one of the units of that kind.
sections
    Functions with parameters, besides ``self`` and ``cls``, whose docstring has a NumPy section
    ``Parameters``, or ``Attributes`` of a dataclass.
documented
    Functions with a docstring.
"""

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "cryptodask"
LIMITS = {"module": 350, "class": 300, "body": 45}
SHARES = {"shapes": 0.9, "units": 0.8, "sections": 0.7}
"""Least share of docstrings that have what they need."""

Function = ast.FunctionDef | ast.AsyncFunctionDef

_ITEM = r"\w+(?: *[-+*/] *\w+)*"
SHAPE = re.compile(rf"\((?:{_ITEM}, *)+(?:{_ITEM})?\)")
SECTION = re.compile(r"^ *(Parameters|Attributes)\n *-{3,}$", re.MULTILINE)
ARRAY = r"ndarray|NDArray|ArrayLike|Panel"
NUMBER = re.compile(r"\b(int|float|timedelta64|timedelta|ndarray|NDArray|ArrayLike|\w*Array\w*)\b")

QUANTITIES = {
    "time": (
        r"seconds|timeout|patience|delay|wait|elapsed|ttl|duration",
        r"seconds?|minutes?|hours?|milliseconds|ms|days",
    ),
    "size": (r"bytes|n?bytes_\w+|\w+_bytes|memory", r"bytes?|[kKMG]i?B"),
    "bars": (
        r"horizon|window|lookback|lag|lags|ahead|max_points|min_points",
        r"bars?|days?|steps?|rows?|closes|hours?",
    ),
    "money": (
        r"closes?|prices?|actuals?|forecasts?|lower|upper|capital|cash|equity",
        r"USD|quote currency|currency|log prices?|log returns?|dollars?",
    ),
    "change": (
        r"log_returns?|returns?|volatility|sigma|drift",
        r"log returns?|returns?|per bar|per day|daily|a bar|a day|share|percent",
    ),
    "share": (r"levels?|coverage|fee|slippage|shares?", r"percent|%|share|0 to 1|fraction"),
}
"""By kind: names of quantities, and the units of which a docstring gives one."""


@dataclass(frozen=True)
class Documented:
    """A public function or dataclass, and what its docstring should give."""

    place: str
    doc: str
    parameters: int
    has_array: bool
    kinds: frozenset[str]
    unit_doc: str

    def lacks(self, what: str) -> bool | None:
        """Whether the docstring lacks shapes, units, sections or docs; None where not needed."""
        if what == "docs":
            return not self.doc
        if what == "shapes":
            return SHAPE.search(self.doc) is None if self.has_array else None
        if what == "sections":
            return SECTION.search(self.doc) is None if self.parameters else None
        without = [k for k in self.kinds if not has_word(QUANTITIES[k][1], self.unit_doc)]
        return bool(without) if self.kinds else None


@dataclass
class Tree:
    """What was read: sizes as (lines, place), and all that is public."""

    modules: dict[str, int] = field(default_factory=dict)
    classes: list[tuple[int, str]] = field(default_factory=list)
    bodies: list[tuple[int, str]] = field(default_factory=list)
    documented: list[Documented] = field(default_factory=list)


def has_word(pattern: str, text: str) -> bool:
    """Whether the text has one of these words."""
    return re.search(rf"(?<!\w)(?:{pattern})(?!\w)", text) is not None


def body_lines(function: Function) -> int:
    """Lines of a function without its docstring."""
    lines = last_line(function) - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= last_line(function.body[0]) - function.body[0].lineno + 1
    return lines


def last_line(node: ast.stmt) -> int:
    """Line on which a statement ends."""
    return node.end_lineno or node.lineno


def aliases_of_arrays(modules: list[ast.Module]) -> str:
    """Pattern of the names that any module gives to a type of arrays, and of those types."""
    names = {
        target.id
        for module in modules
        for node in module.body
        if isinstance(node, ast.Assign) and has_word(ARRAY, ast.unparse(node.value))
        for target in node.targets
        if isinstance(target, ast.Name) and target.id[:1].isupper() and not target.id.isupper()
        if isinstance(node.value, ast.Subscript | ast.BinOp)
    }
    return "|".join([ARRAY, *sorted(names)])


def has_decorator(node: Function | ast.ClassDef, name: str) -> bool:
    """Whether a function or class is decorated so."""
    return any(has_word(name, ast.unparse(decorator)) for decorator in node.decorator_list)


def parameters_of(function: Function) -> list[ast.arg]:
    """Parameters besides ``self`` and ``cls``."""
    args = function.args
    several = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return [arg for arg in several if arg is not None and arg.arg not in ("self", "cls")]


def kinds_of(names: dict[str, str]) -> frozenset[str]:
    """Kinds of quantities among names, by their annotations."""
    numbers = [name for name, annotation in names.items() if NUMBER.search(annotation)]
    return frozenset(
        kind
        for kind, (pattern, _) in QUANTITIES.items()
        if any(re.fullmatch(pattern, name) for name in numbers)
    )


def document(
    name: str, place: str, doc: str, typed: dict[str, str], result: str, arrays: str, outer: str
) -> Documented:
    """Measure one function, or a dataclass by its fields."""
    return Documented(
        place=f"{place} {name}",
        doc=doc,
        parameters=len(typed),
        has_array=has_word(arrays, " ".join([*typed.values(), result])),
        kinds=kinds_of({name.rpartition(".")[2]: result} | typed),
        unit_doc=f"{doc}\n{outer}",
    )


def public_of(
    path: str, module: ast.Module, arrays: str, overridden: dict[str, set[str]]
) -> Iterator[Documented]:
    """Yield what is public in a module."""
    for node in module.body:
        if isinstance(node, Function):
            yield from functions_of(path, [node], "", "", arrays, set())
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        doc = ast.get_docstring(node) or ""
        if has_decorator(node, "dataclass"):
            fields = {
                item.target.id: ast.unparse(item.annotation)
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                if not item.target.id.startswith("_") and "ClassVar" not in ast.dump(item)
            }
            yield document(node.name, f"{path}:{node.lineno}", doc, fields, "", arrays, "")
        inherited = {
            name for base in node.bases for name in overridden.get(ast.unparse(base), set())
        }
        methods = [item for item in node.body if isinstance(item, Function)]
        yield from functions_of(path, methods, f"{node.name}.", doc, arrays, inherited)


def functions_of(
    path: str, functions: list[Function], prefix: str, outer: str, arrays: str, inherited: set[str]
) -> Iterator[Documented]:
    """Yield the public ones of the functions of a module or class."""
    for node in functions:
        doc = ast.get_docstring(node) or ""
        if node.name.startswith("_") or has_decorator(node, "overload|setter"):
            continue
        if not doc and node.name in inherited:
            continue
        typed = {
            arg.arg: ast.unparse(arg.annotation) if arg.annotation else ""
            for arg in parameters_of(node)
        }
        result = ast.unparse(node.returns) if node.returns else ""
        place = f"{path}:{node.lineno}"
        yield document(f"{prefix}{node.name}", place, doc, typed, result, arrays, outer)


def methods_by_class(modules: list[ast.Module]) -> dict[str, set[str]]:
    """Names of methods by class, those of its bases too, as far as the tree defines them."""
    classes = [n for module in modules for n in module.body if isinstance(n, ast.ClassDef)]
    methods = {c.name: {m.name for m in c.body if isinstance(m, Function)} for c in classes}
    for _ in range(len(classes)):
        before = sum(map(len, methods.values()))
        for node in classes:
            for base in node.bases:
                methods[node.name] |= methods.get(ast.unparse(base), set())
        if sum(map(len, methods.values())) == before:
            break
    return methods


def read_tree(root: Path) -> Tree:
    """Read all modules below ``root/cryptodask``."""
    texts = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / PACKAGE).rglob("*.py"))
    }
    if not texts:
        raise SystemExit(f"{root}: has no {PACKAGE}/*.py; give the root of the repository")
    parsed = {path: ast.parse(text, path) for path, text in texts.items()}
    arrays = aliases_of_arrays(list(parsed.values()))
    overridden = methods_by_class(list(parsed.values()))
    tree = Tree(modules={path: len(text.splitlines()) for path, text in texts.items()})
    for path, module in parsed.items():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                lines = last_line(node) - node.lineno + 1
                tree.classes.append((lines, f"{path}:{node.lineno} {node.name}"))
            elif isinstance(node, Function):
                tree.bodies.append((body_lines(node), f"{path}:{node.lineno} {node.name}"))
        tree.documented += public_of(path, module, arrays, overridden)
    return tree


def lines_by_folder(modules: dict[str, int]) -> dict[str, int]:
    """Lines of each folder, and of each file beside them."""
    lines: Counter[str] = Counter()
    for path, count in modules.items():
        first, *inner = Path(path).parts[1:]
        lines[f"{first}/" if inner else first] += count
    return dict(sorted(lines.items()))


def measure(tree: Tree) -> dict[str, Any]:
    """Return all measures: sizes in lines, shares as (having, needing)."""
    sizes = {
        "module": [(lines, path) for path, lines in tree.modules.items()],
        "class": tree.classes,
        "body": tree.bodies,
    }
    measures: dict[str, Any] = {"lines": lines_by_folder(tree.modules)}
    measures["total"] = sum(tree.modules.values())
    for name, pairs in sizes.items():
        lines, place = max(pairs, default=(0, ""))
        middle = median([size for size, _ in pairs] or [0])
        measures[name] = {"count": len(pairs), "median": middle, "max": lines, "where": place}
    for what in ("shapes", "units", "sections", "docs"):
        lacking = [d.lacks(what) for d in tree.documented if d.lacks(what) is not None]
        measures[what] = {"having": lacking.count(False), "of": len(lacking)}
    return measures


def over_limits(tree: Tree) -> list[str]:
    """Return a line for each module, class and body that is over its limit."""
    sizes = {
        "module": [(lines, path) for path, lines in tree.modules.items()],
        "class": tree.classes,
        "body": tree.bodies,
    }
    return [
        f"{place}: {kind} of {lines} lines, limit {LIMITS[kind]}: split it"
        for kind, pairs in sizes.items()
        for lines, place in pairs
        if lines > LIMITS[kind]
    ]


def below_shares(tree: Tree) -> list[str]:
    """Return a line for each share of docstrings that is under its limit."""
    measures = measure(tree)
    counts = {what: (measures[what]["having"], measures[what]["of"]) for what in SHARES}
    return [
        f"{what}: {having} of {needing} docstrings, at least {SHARES[what]:.0%} must have them: "
        f"see --list {what}"
        for what, (having, needing) in counts.items()
        if needing and having / needing < SHARES[what]
    ]


def to_table(measures: dict[str, Any]) -> str:
    """Return the measures as lines of text."""
    names = {
        "shapes": "array functions: shapes",
        "units": "functions with quantities: units",
        "sections": "functions with parameters: sections",
        "docs": "public functions: documented",
    }
    lines = [f"{name:<24}{count:>7,}" for name, count in measures["lines"].items()]
    lines += [f"{'lines':<24}{measures['total']:>7,}", ""]
    for kind in LIMITS:
        size = measures[kind]
        numbers = f"{size['median']:>7g} median{size['max']:>6} max"
        lines.append(f"{kind:<8}{size['count']:>6}{numbers}   {size['where']}")
    lines.append("")
    for what, title in names.items():
        having, needing = measures[what]["having"], measures[what]["of"]
        share = f"{having / needing:.0%}" if needing else "-"
        lines.append(f"{title:<38}{share:>5}   {having} of {needing}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the measures and return the exit code."""
    parser = argparse.ArgumentParser(description="Measure a tree of this project.")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="print and fail on broken limits")
    parser.add_argument("--list", choices=["shapes", "units", "sections", "docs"])
    options = parser.parse_args(arguments)
    tree = read_tree(options.root)
    if options.list:
        print("\n".join(d.place for d in tree.documented if d.lacks(options.list)))
        return 0
    if options.check:
        broken = [*over_limits(tree), *below_shares(tree)]
        print("\n".join(broken) if broken else "no limit broken")
        return 1 if broken else 0
    measures = measure(tree)
    print(json.dumps(measures, indent=2) if options.json else to_table(measures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
