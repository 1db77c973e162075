"""Where price files are: a folder, a file, a pattern such as ``data/*.csv``, or a URL of these."""

import shutil
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from cryptodask.errors import InputError, SourceError
from cryptodask.io.looking import looking
from cryptodask.io.paths import AnyPath, fresh, path_of, reading
from cryptodask.io.scratch import scratch_folder


@dataclass(frozen=True)
class PricePlace:
    """Price files, on this machine.

    Attributes
    ----------
    folder : Path
        They lie there, or below.
    files : tuple of Path, optional
        Only these; None for all of the folder.
    location : str
        What opens the same prices again, whatever the working directory.
    originals : tuple of Path or UPath
        What the files were made from: a change of these is one of the prices.
    """

    folder: Path
    files: tuple[Path, ...] | None
    location: str
    originals: tuple[AnyPath, ...] = ()


def find_files(given: str | Path) -> PricePlace:
    """Return the files that a path, pattern or URL names; those of a URL are brought here.

    Parameters
    ----------
    given : str or path

    Raises
    ------
    SourceError
        There is nothing.
    InputError, OptionError, MissingExtraError
        A URL can't be read.
    """
    place = path_of(given)
    if not isinstance(place, Path):
        return _fetch(str(given), place)
    if place.is_dir():
        return PricePlace(place.resolve(), None, str(place.resolve()))
    if place.exists():
        path = place.parent.resolve() / place.name
        return PricePlace(path.parent, (path,), str(path), (path,))
    check_there(given)
    pattern = Path.cwd() / place
    above = _above(pattern)
    matches = above.glob(str(pattern.relative_to(above)))
    files = tuple(sorted(path for path in matches if path.is_file()))
    if not files:
        raise SourceError(f"{given}: no file matches this pattern")
    return PricePlace(above, files, str(pattern), files)


def check_there(given: str | Path) -> None:
    """Check that a path on this machine leads somewhere; patterns and URLs have to be looked at.

    Parameters
    ----------
    given : str or path

    Raises
    ------
    SourceError
        There is nothing, or the system takes no such path.
    """
    place = path_of(given)
    if not isinstance(place, Path) or has_magic(str(place)):
        return
    try:
        is_there = place.exists()
    except OSError as error:
        raise SourceError(f"{given}: {error.strerror}; give another path") from error
    if not is_there:
        raise SourceError(
            f"{given}: does not exist; give a folder of price files, one such file, a pattern "
            "such as data/*.csv, or a table"
        )


def _above(pattern: Path) -> Path:
    """Return the folder over the first part of a pattern that has a sign of one."""
    return next(folder for folder in pattern.parents if not has_magic(str(folder)))


def _fetch(given: str, url: AnyPath) -> PricePlace:
    """Bring the files of a URL to this machine, each under its name."""
    assert not isinstance(url, Path)
    with reading(url):
        files = fresh(url).fs
        if has_magic(url.path):
            names = sorted(files.glob(url.path))
        elif files.isdir(url.path):
            names = sorted(files.ls(url.path, detail=False))
        else:
            names = [url.path] if files.exists(url.path) else []
        names = [str(name) for name in names if files.isfile(name)]
        if not names:
            raise SourceError(f"{given}: no file there; see that the path is right")
        folder = scratch_folder()
        brought = []
        for number, name in enumerate(names):
            # Names may be equal in folders that a pattern spans; none of them leads out of here.
            place = folder / str(number) / name.rstrip("/").rpartition("/")[2]
            place.parent.mkdir()
            with files.open(name, "rb") as there, place.open("wb") as here:
                shutil.copyfileobj(there, here, 1 << 20)
            brought.append(place)
        originals = tuple(type(url)(f"{url.protocol}://{name.lstrip('/')}") for name in names)
    return PricePlace(folder, tuple(brought), given, originals)


def files_in(folder: Path) -> list[Path]:
    """Return what is in a folder, by name.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    SourceError
        This process may not list it, or its disk fails.
    """
    with looking(folder):
        return sorted(folder.iterdir())


def looks_of(path: AnyPath) -> str:
    """Return what changes when a file does, most likely: its size and the time of its change.

    Parameters
    ----------
    path : Path or UPath

    Raises
    ------
    InputError
        It is gone, or can't be looked at.
    """
    if isinstance(path, Path):
        try:
            state = path.stat()
        except OSError as error:
            raise InputError(f"{path}: is gone since it was read: {error.strerror}") from error
        return f"{path.name} {state.st_size} {state.st_mtime_ns}"
    with reading(path):
        return f"{path} {fresh(path).fs.ukey(path.path)}"
