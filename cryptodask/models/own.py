"""Models of users: what ``MODULE:ATTRIBUTE`` names, imported because the user named it.

Importing runs code. `find_own` is the only place that does it, and is called with what a user typed
or passed, never with what was read from a disk or a network: `was_named` is for these.
"""

import sys
import traceback
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptodask.errors import OptionError, UnknownModelError
from cryptodask.io.modules import module_file

_NAMED: dict[str, Any] = {}


def is_place(name: str) -> bool:
    """Return whether a name has the form ``MODULE:ATTRIBUTE``.

    Parameters
    ----------
    name : str
    """
    module, colon, attribute = name.partition(":")
    return bool(colon) and attribute.isidentifier() and _is_module(module)


def find_own(place: str) -> Any:
    """Import a user's module and return what a place names there.

    The current folder counts as for ``python -m``: its modules come first. Call this only with a
    name that a user typed or passed.

    Parameters
    ----------
    place : str
        As ``mine:MyModel`` or ``my_package.my_module:build``.

    Returns
    -------
    Any
        The attribute, as it is.

    Raises
    ------
    OptionError
        It is of another form, or the module raises an error when it is imported.
    UnknownModelError
        No module has that name, or it has no such attribute.
    """
    if not is_place(place):
        raise OptionError(f"{place!r}: write MODULE:NAME, as mine:MyModel for a class of mine.py")
    check_module(place)
    name, _, attribute = place.partition(":")
    module = _import(place, name)
    if not hasattr(module, attribute):
        raise UnknownModelError(
            f"{place!r}: {_where(module)} has no {attribute}{_names_of(module)}"
        )
    _NAMED[place] = getattr(module, attribute)
    return _NAMED[place]


def check_module(place: str) -> None:
    """Refuse a name that has a file in place of a module.

    Parameters
    ----------
    place : str

    Raises
    ------
    OptionError
        The message says what to write.
    """
    path, _, attribute = place.partition(":")
    if path.endswith(".py") and attribute.isidentifier():
        where = Path(path)
        folder = "" if where.parent == Path() else f", in the folder {where.parent}"
        raise OptionError(
            f"{place!r}: names a file, and a model is named by its module: write "
            f"{where.stem}:{attribute}{folder}"
        )


def was_named(place: str) -> bool:
    """Return whether a user named this place in this process, so that it may be used.

    Parameters
    ----------
    place : str
    """
    return place in _NAMED


def named(place: str) -> Any:
    """Return what a place names, if the user named it in this process; see `find_own`.

    Parameters
    ----------
    place : str

    Raises
    ------
    OptionError
        Nobody did: a file did, and it may not have code imported.
    """
    if place not in _NAMED:
        raise OptionError(
            f"{place!r}: is of your own code, which is imported only where you name it yourself; "
            f"add --model {place}, or in Python create_model({place!r}) before this"
        )
    return _NAMED[place]


def note(place: str, thing: Any) -> bool:
    """Note what a user passed in Python as named, where its place leads to it; return whether so.

    Parameters
    ----------
    place : str
    thing : Any
    """
    module, _, attribute = place.partition(":")
    if module == "__main__" or not is_place(place):
        return False
    if getattr(sys.modules.get(module), attribute, None) is not thing:
        return False
    _NAMED[place] = thing
    module_file(module)
    return True


def _import(place: str, name: str) -> ModuleType:
    """Import a module, of the current folder first; see `find_own`."""
    here = str(Path.cwd())
    known = here in sys.path
    sys.path.insert(0, here)
    invalidate_caches()  # a file may have been written since a folder was listed
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if f"{name}.".startswith(f"{missing}.") and missing:
            raise UnknownModelError(
                f"{place!r}: no module {missing}, neither in {here} nor installed; write "
                "MODULE:NAME in the folder of MODULE.py"
            ) from error
        raise OptionError(f"{place!r}: {_why(error, name)}") from error
    except (Exception, SystemExit) as error:  # whatever a user's file raises
        raise OptionError(f"{place!r}: {_why(error, name)}") from error
    finally:
        sys.path.remove(here)
        if not known:  # for what it imports later; last, to hide nothing that is installed
            sys.path.append(here)
    module_file(name)  # as it is now; it may be edited later
    return module


def _why(error: BaseException, name: str) -> str:
    """Return where in the user's code an import failed, and why."""
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    last = name.rpartition(".")[2]
    theirs = [f for f in frames if Path(f.filename).stem in (last, "__init__")]
    theirs = [f for f in theirs if "importlib" not in f.filename]
    if theirs:
        return f"{theirs[-1].filename}, line {theirs[-1].lineno}: {what}"
    return f"importing {name}: {what}"


def _where(module: ModuleType) -> str:
    return f"{module.__name__} ({getattr(module, '__file__', None) or 'no file'})"


def _names_of(module: ModuleType) -> str:
    """Return which classes and functions a module defines itself, as the end of a message."""
    mine = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    return f"; it defines {', '.join(mine)}" if mine else "; it defines no class or function"


def _is_module(name: str) -> bool:
    return bool(name) and all(part.isidentifier() for part in name.split("."))
