"""A group's run, in a process that outlives the step which started it.

``python -m cryptodask.pipeline.sending FOLDER`` is that process. What is in the run's
folder already is not done again, so that it may be killed and started anew.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptodask.errors import CryptoDaskError, WriteError
from cryptodask.io.paths import path_of
from cryptodask.io.sealed import write_sealed
from cryptodask.pipeline.day import LAST, SENT, take
from cryptodask.pipeline.polling import last_rows

if TYPE_CHECKING:
    from cryptodask.models import Model

RUN, LOG, PROCESS = "run", "run.log", "processes"
"""Names in a group's folder."""


def start(folder: Path) -> None:
    """Start the process of a group, unless it runs.

    Parameters
    ----------
    folder : Path
        Of the group, with ``sent.json``.

    Raises
    ------
    WriteError
        The folder can't be written.
    """
    if is_running(folder):
        return
    try:
        # Both before there is a process, which nobody could find.
        with (folder / LOG).open("ab") as log, (folder / PROCESS).open("a") as numbers:
            process = subprocess.Popen(
                [sys.executable, "-m", "cryptodask.pipeline.sending", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            numbers.write(f"{process.pid}\n")
    except OSError as error:
        raise WriteError(f"{folder}: {error.strerror or error}") from error


def starts(folder: Path) -> int:
    """Return how often the process of a group was started.

    Parameters
    ----------
    folder : Path
        Of the group.
    """
    return len(_processes(folder))


def _processes(folder: Path) -> list[int]:
    with suppress(FileNotFoundError):
        lines = (folder / PROCESS).read_text(encoding="ascii").split()
        return [int(line) for line in lines if line.isdecimal()]
    return []


def is_running(folder: Path) -> bool:
    """Return whether the process of a group runs on this machine.

    Parameters
    ----------
    folder : Path
        Of the group.
    """
    import psutil  # of distributed

    for number in _processes(folder)[-1:]:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(number)
            # Another process may have got its number.
            return process.status() != psutil.STATUS_ZOMBIE and str(folder) in process.cmdline()
    return False


def last_lines(folder: Path, lines: int = 5) -> str:
    """Return how the log of a group's process ends.

    Parameters
    ----------
    folder : Path
        Of the group.
    lines : int
    """
    with suppress(FileNotFoundError):
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])
    return ""


def run(folder: Path) -> None:
    """Run what was sent to a group.

    Parameters
    ----------
    folder : Path
        Of the group, with ``sent.json``.

    Raises
    ------
    CryptoDaskError
        See `cryptodask.registry.predict` and `cryptodask.runs.forecast`.
    """
    from cryptodask.cluster.connecting import connect
    from cryptodask.cluster.security.tls import client_security
    from cryptodask.registry import predict
    from cryptodask.runs import forecast

    content = take(folder / SENT)
    sent, cluster = content["asked"], content["cluster"]
    security = client_security(Path(cluster["tls"])) if cluster["tls"] else None
    how = {
        "horizon": sent["horizon"],
        "coins": sent["coins"],
        "to_date": sent["date"],
        "out": path_of(str(folder / RUN)),
        "overwrite": True,  # only of another run, whose coins or prices are not those of now
        "progress": False,
    }
    rows = last_rows(sent["table"], sent["coins"], sent["date"])
    closes = dict(zip(rows["coin"], rows["close"], strict=True))
    write_sealed({"closes": closes}, folder / LAST)
    workers = None if cluster["scheduler"] else cluster["workers"]
    with connect(cluster["scheduler"] or None, workers, security) as client:
        if sent["versions"]:
            intervals = None if sent["intervals"] else False
            predict(
                sent["table"], sent["versions"], registry=sent["registry"], intervals=intervals,
                client=client, **how,
            )  # fmt: skip
        else:
            intervals = sent["intervals"]
            models = _make_models(sent["models"], sent["options"])
            forecast(sent["table"], models, intervals=intervals, client=client, **how)


def _make_models(names: list[str], options: dict[str, dict[str, Any]]) -> "list[Model]":
    """Return models; those of a user's code are refused, since a file names them."""
    from cryptodask.models.catalog import build_model
    from cryptodask.models.renamed import split_alias

    models = []
    for text in names:
        alias, name = split_alias(text)
        models.append(build_model(name, options.get(alias or name, {}), alias))
    return models


def main() -> None:
    """Run what was sent to the group whose folder is the argument."""
    try:
        run(Path(sys.argv[1]))
    except CryptoDaskError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
