"""What runs on workers lives in ``cryptodask/worker/`` and nowhere else.

The code is read, not run. It is followed from each place where a function, or a plugin, is given to
the cluster to where that is defined: through local names, ``partial`` and both branches of an
``if``. A function that gets it as a parameter and gives it on is such a place itself, so that its
callers are read, too.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GIVEN = {
    "register_plugin": (0, "plugin"),
    "TaskCall": (0, "function"),
    "Rebuild": (0, "function"),
    "derive": (0, "function"),
    "warm_up": (1, "actions"),
    "ask": (0, "function"),
}
"""Which argument goes to workers, of what is called by that name: its place and its name."""

OF_A_CLIENT = ("submit", "map", "run")
"""Methods of Dask's client whose first argument does."""

OF_A_STATE = ("cryptodask.runs", "cryptodask.cluster")
"""Where ``x.map`` is of a `WorkerState`, or of a client, and not of a table."""

CALLS = ("call", "state_call")
"""Methods of a kind of run that return a ``Call``: a function, and its arguments."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = tuple[ast.AST, ...]


@dataclass
class Module:
    """A file, and the names that it defines or imports at any place."""

    name: str
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
                self.imports |= names
            elif isinstance(node, ast.Import):
                self.imports |= {a.asname or a.name: a.name for a in node.names}
        for node in self.tree.body:
            if isinstance(node, Function | ast.ClassDef):
                self.defined.add(node.name)


def modules_of(root: Path) -> dict[str, Module]:
    """Return the modules of the package, by name."""
    modules = {}
    for path in sorted((root / "cryptodask").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        modules[name] = Module(name, ast.parse(path.read_text("utf-8")))
    return modules


def calls_in(tree: ast.AST, scope: Scope = ()) -> Iterator[tuple[ast.Call, Scope]]:
    """Yield each call with the functions and lambdas around it, the innermost last."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Call):
            yield child, scope
        inside = (*scope, child) if isinstance(child, Function | ast.Lambda) else scope
        yield from calls_in(child, inside)


def parameters_of(function: ast.AST) -> list[str]:
    """Return names of parameters, without ``self`` and ``cls``."""
    assert isinstance(function, Function | ast.Lambda)
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    names += [arguments.vararg.arg] if arguments.vararg else []
    return [name for name in names if name not in ("self", "cls")]


def values_of(name: str, scope: ast.AST) -> list[ast.expr]:
    """Return what a function assigns to a local name."""
    values = []
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=targets, value=value):
                values += [value] * any(ast.unparse(target) == name for target in targets)
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                values += [value] * (target == name)
    return values


class Reader:
    """Follows what is given to the cluster.

    Attributes
    ----------
    wrong : list of str
        What is given to it, and is not defined in ``cryptodask/worker/``.
    right : set of str
        What is given to it, and is.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules
        self.given = dict(GIVEN)
        self.wrong: list[str] = []
        self.right: set[str] = set()
        before = -1
        while len(self.given) != before:  # a function that gives on what it gets is found late
            before = len(self.given)
            self.wrong, self.right = [], set()
            for module in modules.values():
                self._read(module)

    def _read(self, module: Module) -> None:
        for call, scope in calls_in(module.tree):
            for value in self._sent(call, module):
                self._follow(value, scope, module)
        for node in ast.walk(module.tree):
            if isinstance(node, Function) and node.returns and ast.unparse(node.returns) == "Call":
                self._read_returns(node, module)

    def _read_returns(self, function: Function, module: Module) -> None:
        """Follow the functions of the calls that a kind of run returns."""
        for node in ast.walk(function):
            if not isinstance(node, ast.Return):
                continue
            if isinstance(node.value, ast.Tuple):
                self._follow(node.value.elts[0], (function,), module)
            elif not (
                isinstance(node.value, ast.Call)
                and isinstance(node.value.func, ast.Attribute)
                and node.value.func.attr in CALLS
            ):
                self._refuse(node, module)

    def _sent(self, call: ast.Call, module: Module) -> list[ast.expr]:
        """Return the arguments of a call that go to workers."""
        if isinstance(call.func, ast.Attribute):
            name, receiver = call.func.attr, ast.unparse(call.func.value)
            if name in OF_A_CLIENT and receiver.endswith("client"):
                return call.args[:1] or [k.value for k in call.keywords if k.arg == "function"]
            if name == "map" and module.name.startswith(OF_A_STATE):
                return call.args[:1]
            if name in OF_A_CLIENT or name == "warm_up":
                return []
        elif isinstance(call.func, ast.Name):
            name = call.func.id
            if name == "map":
                return []
            if name == "replace":
                return [k.value for k in call.keywords if k.arg == "function"]
            if name == "partial" and call.args:
                return self._sent(ast.Call(call.args[0], call.args[1:], call.keywords), module)
        else:
            return []
        if name not in self.given:
            return []
        place, keyword = self.given[name]
        by_place = call.args[place : place + 1]
        return by_place or [k.value for k in call.keywords if k.arg == keyword]

    def _follow(self, value: ast.expr, scope: Scope, module: Module) -> None:
        """Find where a value is defined."""
        match value:
            case ast.IfExp(body=body, orelse=other):
                self._follow(body, scope, module)
                self._follow(other, scope, module)
            case ast.Dict(values=values):
                for item in values:
                    self._follow(item, scope, module)
            case ast.DictComp(value=item):
                self._follow(item, scope, module)
            case ast.Call(func=ast.Name(id="partial"), args=[function, *_]):
                self._follow(function, scope, module)
            case ast.Call(func=ast.Name() as plugin):
                self._follow(plugin, scope, module)
            case ast.Subscript(value=ast.Call(func=ast.Name(id=name))) if self._gives_calls(
                name, scope
            ):
                pass  # of a Call, which is read where it is returned
            case ast.Attribute(attr="function"):
                pass  # of a TaskCall or a Rebuild, which is read where it is made
            case ast.Starred(value=ast.Name(id=name)) if isinstance(scope[-1], ast.Lambda):
                assert name in parameters_of(scope[-1])  # given on to the function named `ask`
            case ast.Name(id=name):
                self._follow_name(name, value, scope, module)
            case _:
                self._refuse(value, module)

    def _gives_calls(self, name: str, scope: Scope) -> bool:
        """Whether a parameter is a function that returns a ``Call``."""
        arguments = [
            a for f in scope if isinstance(f, Function) for a in (*f.args.args, *f.args.kwonlyargs)
        ]
        return any(
            a.arg == name and a.annotation and ast.unparse(a.annotation).endswith(", Call]")
            for a in arguments
        )

    def _follow_name(self, name: str, value: ast.expr, scope: Scope, module: Module) -> None:
        for number in range(len(scope), 0, -1):
            function = scope[number - 1]
            values = values_of(name, function) if isinstance(function, Function) else []
            if values:
                for assigned in values:
                    self._follow(assigned, scope[:number], module)
                return
            if name in parameters_of(function):
                if not isinstance(function, Function):
                    self._refuse(value, module)
                elif function.name not in OF_A_CLIENT or module.name.startswith(OF_A_STATE[1]):
                    place = parameters_of(function).index(name)
                    self.given.setdefault(function.name, (place, name))
                return
        origin = module.imports.get(name, f"{module.name}.{name}")
        home, _, name = origin.rpartition(".")
        if home.startswith("cryptodask.worker.") and name in self.modules[home].defined:
            self.right.add(name)
        else:
            self._refuse(value, module)

    def _refuse(self, node: ast.AST, module: Module) -> None:
        line = getattr(node, "lineno", 0)
        self.wrong.append(f"{module.name}:{line}: {ast.unparse(node)}")


def test_what_is_given_to_the_cluster_is_defined_in_the_folder_of_the_worker() -> None:
    reader = Reader(modules_of(ROOT))
    assert reader.wrong == []
    # All kinds of work were seen, so that nothing was overlooked as a whole.
    assert reader.right >= {
        "WarmUp", "backtest_job", "backtest_state", "bound_state", "call_on", "contribute",
        "contribute_histories", "count_state", "date_span", "forecast_job", "has_files",
        "look_back_job", "prepare_histories", "prepare_job", "read_histories",
        "release_memory", "rows_of", "same", "visibility_error", "warm_up_model", "without_rows",
    }  # fmt: skip
    assert {"submit", "ordered_map", "ask_workers", "tell_workers", "run_rounds"} <= {*reader.given}


WORKER = "def work(x): ..."
BESIDE = "from cryptodask.worker.jobs import work\ndef mine(x): ...\n"


def reader_of(code: str) -> Reader:
    return Reader(
        {
            "cryptodask.worker.jobs": Module("cryptodask.worker.jobs", ast.parse(WORKER)),
            "cryptodask.runs.x": Module("cryptodask.runs.x", ast.parse(BESIDE + code)),
        }
    )


GIVING = [
    "client.submit({}, 1)",
    "self._client.map({}, xs)",
    "session.client.run({}, workers=[])",
    "client.register_plugin({}(1))",
    "TaskCall({}, None)",
    "TaskCall(function={})",
    "Rebuild({}, ())",
    "replace(task_call, function={})",
    "state.map({}, args, 'name')",
    "state.derive({})",
    "warm_up(client, {{'a': partial({}, 1)}})",
    "warm_up(client, {{m: {} for m in models}})",
    "client.submit(partial({}, 1))",
    "client.submit(work if x else {})",
    "def f():\n    chosen = {}\n    client.submit(chosen)",
    "def f(client, function):\n    client.submit(function)\nf(client, {})",
    "def g(a, function):\n    f(function)\ndef f(function):\n    TaskCall(function)\ng(1, {})",
    "def f(client, function, xs):\n    client.submit(function)\npartial(f, client, {})",
    "def call(self) -> Call:\n    return {}, (1,)",
]


@pytest.mark.parametrize("code", GIVING)
def test_a_function_is_followed_to_where_it_is_defined(code: str) -> None:
    good, bad = reader_of(code.format("work")), reader_of(code.format("mine"))
    assert (good.wrong, good.right) == ([], {"work"})
    assert len(bad.wrong) == 1
    assert "mine" in bad.wrong[0]


@pytest.mark.parametrize(
    "code",
    [
        "client.submit(lambda x: x)",
        "client.submit(self.work)",
        "client.submit(unknown())",
        "def call(self) -> Call:\n    return self.other()",
        "from cryptodask.prices import work as mine\nclient.submit(mine)",
    ],
)
def test_what_can_not_be_followed_is_refused(code: str) -> None:
    assert len(reader_of(code).wrong) == 1


@pytest.mark.parametrize("code", ["frame.column.map(mine)", "pool.submit(mine)", "process.run(1)"])
def test_what_stays_in_this_process_is_let_pass(code: str) -> None:
    module = Module("cryptodask.prices.x", ast.parse(BESIDE + code))
    assert Reader({module.name: module}).wrong == []
