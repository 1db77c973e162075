"""Changes of a registry, one after the other, in a process that may be killed at any moment.

``python -m tests.registry.changing FOLDER`` goes on until it is killed. Before each change it
prints how many entries the log has, and how many it will have.
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path

from cryptodask.registry import Gates, Registry, Rules
from tests.registry.build import make_version

NO_GATES = Gates.none()
KEEP_NONE = Rules(keep=0)


def begin(folder: Path) -> Registry:
    """A registry with a champion and one before it, and two more versions."""
    registry = Registry(folder)
    for _ in range(4):
        make_version(registry)
    registry.promote("linear:1", gates=NO_GATES)
    registry.promote("linear:2", gates=NO_GATES)
    return registry


def newest(registry: Registry) -> str:
    """The newest version."""
    return str(registry.versions("linear")[-1])


CHANGES: dict[str, Callable[[Registry], object]] = {
    "train": make_version,
    "promote": lambda registry: registry.promote(newest(registry), gates=NO_GATES),
    "rollback": lambda registry: registry.rollback("linear"),
    "alias": lambda registry: registry.set_alias(newest(registry), "canary"),
    "delete": lambda registry: registry.delete("linear:3"),
    "gc": lambda registry: registry.gc("linear", KEEP_NONE),
}


def go_on(registry: Registry) -> None:
    """Change the registry until this process is killed."""
    order = random.Random(0)
    while True:
        for kind in ("train", "promote", "train", "train", "rollback", "gc"):
            now = len(registry.log("linear"))
            removals = registry.gc("linear", KEEP_NONE, dry_run=True) if kind == "gc" else [None]
            sys.stdout.write(f"{kind} {now} {now + len(removals)}\n")
            sys.stdout.flush()
            if kind == "promote" and order.random() < 0.5:
                registry.promote(newest(registry), "staging")
            else:
                CHANGES[kind](registry)


if __name__ == "__main__":
    go_on(Registry(sys.argv[1]))
