"""Files of users' modules: which modules something is made of, and what these files hold."""

import ast
import hashlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from io import BytesIO
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

PACKAGE = __name__.partition(".")[0]
MAIN = "__main__"

REQUIRED = (
    "cloudpickle",
    "dask",
    "distributed",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
)
"""Packages that workers have where they have CryptoDask; what versions of them may differ,
`cryptodask.cluster.versions` says."""


@dataclass(frozen=True)
class ModuleFile:
    """The file of a module, as it was when the module was first asked for here.

    Attributes
    ----------
    module : str
    path : str
    digest : str
        SHA-256 of its bytes, in hexadecimal.
    """

    module: str
    path: str
    digest: str

    @property
    def is_single(self) -> bool:
        """Whether the module is one file, and no part of a package."""
        return "." not in self.module and Path(self.path).name != "__init__.py"


_FILES: dict[str, tuple[Any, ModuleFile]] = {}


def module_file(module: str) -> ModuleFile | None:
    """Return the file of an imported module.

    Its digest is taken when this is called first after an import or reload, so that a file which
    is changed later is noticed.

    Parameters
    ----------
    module : str

    Returns
    -------
    ModuleFile or None
        None of a module that is not one of text: of a notebook, or compiled.
    """
    loaded = sys.modules.get(module)
    path = getattr(loaded, "__file__", None)
    if path is None or not path.endswith(".py"):
        return None
    spec = getattr(loaded, "__spec__", None)  # another one after a reload
    known = _FILES.get(module)
    if known is None or known[0] is not spec:
        with suppress(OSError):
            known = spec, ModuleFile(module, str(Path(path).resolve()), digest_of(path))
            _FILES[module] = known
    return known[1] if known else None


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Parameters
    ----------
    path : str
    """
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def modules_of(values: Iterable[Any]) -> list[str]:
    """Return the names of all modules but CryptoDask's that pickles of values name, in order.

    Parameters
    ----------
    values : iterable of Any
    """
    return sorted({module for module, _ in _parts(values)})


def own_files(modules: Iterable[str]) -> list[ModuleFile]:
    """Return the files of users' modules and of what these import, before those that import it.

    Parameters
    ----------
    modules : iterable of str
        As of `modules_of`; those of installed packages and of a script count for nothing.
    """
    files: dict[str, ModuleFile | None] = {}

    def visit(module: str) -> None:
        if module not in files:
            file = module_file(module)
            files[module] = None  # so that a circle ends
            if file is not None and not is_installed(file.path):
                for other in _imported(file):
                    visit(other)
                del files[module]
                files[module] = file  # after what it imports

    for module in modules:
        if module != MAIN:
            visit(module)
    return [file for file in files.values() if file is not None]


def library_files(modules: Iterable[str]) -> list[ModuleFile]:
    """Return the files of modules of installed packages.

    Parameters
    ----------
    modules : iterable of str
        As of `modules_of`.

    Returns
    -------
    list of ModuleFile
        Without those of Python, of CryptoDask, and of `REQUIRED`.
    """
    files = map(module_file, modules)
    return [f for f in files if f is not None and is_installed(f.path) and not _is_known(f)]


def own_digests(values: Iterable[Any]) -> dict[str, str]:
    """Return digests of the users' code that values are made of.

    Parameters
    ----------
    values : iterable of Any

    Returns
    -------
    dict of str to str
        By module, of its file; by ``__main__:NAME``, of the text of what a script or notebook
        defines, where it can be had.
    """
    parts = _parts(values)
    digests = {file.module: file.digest for file in own_files(sorted({m for m, _ in parts}))}
    for module, part in sorted(parts, key=lambda pair: _label(pair[1])):
        if module == MAIN:
            with suppress(OSError, TypeError):
                text = inspect.getsource(part)
                digests[f"{MAIN}:{_label(part)}"] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def is_installed(path: str) -> bool:
    """Return whether a file is of Python, of an installed package, or of CryptoDask.

    Parameters
    ----------
    path : str
    """
    return any(Path(path).resolve().is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {Path(sysconfig.get_path(name)).resolve() for name in names}
    import site

    folders.add(Path(site.getusersitepackages()).resolve())
    package = Path(str(sys.modules[PACKAGE].__file__)).resolve().parent
    return (*sorted(folders), package)


def _imported(file: ModuleFile) -> list[str]:
    """Return the modules that the text of a module imports, of those that are imported here."""
    try:
        tree = ast.parse(Path(file.path).read_bytes())
    except (OSError, SyntaxError):
        return []  # it was changed since, which is refused where its digest is compared
    package = getattr(sys.modules.get(file.module), "__package__", None)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return sorted(names & sys.modules.keys())


def _is_known(file: ModuleFile) -> bool:
    """Whether a module is of Python, of CryptoDask, or of `REQUIRED`."""
    package = file.module.partition(".")[0]
    return package in (PACKAGE, *REQUIRED) or package in sys.stdlib_module_names


def _label(part: Any) -> str:
    return str(getattr(part, "__qualname__", getattr(part, "__name__", part)))


def _parts(values: Iterable[Any]) -> set[tuple[str, Any]]:
    """Return module, and class, function or module, of all that pickles of values name."""
    from cloudpickle import Pickler  # type: ignore[import-untyped]

    parts: set[tuple[str, Any]] = set()

    class Noting(Pickler):  # type: ignore[misc]
        """A pickler that notes what it comes across."""

        def persistent_id(self, thing: Any) -> None:
            """Note a class or function."""
            if isinstance(thing, type | FunctionType):
                parts.add((thing.__module__ or "", thing))
            elif isinstance(thing, ModuleType):
                parts.add((thing.__name__, thing))

    for value in values:
        # Sending it to a worker meets the same error, and says so.
        with suppress(Exception):
            Noting(BytesIO()).dump(value)
    return {
        (module, part) for module, part in parts if module.partition(".")[0] != PACKAGE and module
    }


def user_line(error: BaseException) -> str | None:
    """Return the last line of a user's code that an error came through, as ``mine.py, line 7``.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str or None
        None where it came through no user's code.
    """
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [f for f in frames if not f.filename.startswith("<frozen")]
    theirs = [f for f in theirs if not is_installed(f.filename)]
    return f"{Path(theirs[-1].filename).name}, line {theirs[-1].lineno}" if theirs else None
