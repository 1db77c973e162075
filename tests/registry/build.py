"""Versions and scores as trainings and backtests leave them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from safetensors.numpy import save_file

from cryptodask.io.files import draft_of, record_of
from cryptodask.registry import Registry
from cryptodask.registry.scores import Score, make_score
from cryptodask.results.manifest import Manifest, write_manifest

NOW = datetime.now(UTC)
ORIGINS = pd.date_range("2017-03-01", periods=12, freq="10D")


def facts_of(
    model: str = "linear",
    *,
    coins: int = 4,
    days_old: float = 0.0,
    last: str = "2018-01-01",
    **facts: Any,
) -> dict[str, Any]:
    """What a version says of itself; it was trained so many days ago."""
    return {
        "format": 1,
        "model": {"name": model, "options": facts.pop("options", {})},
        "freq": "1d",
        "coins": coins,
        "prices": "of a test",
        "first": "2017-01-01",
        "last": last,
        "trained": (NOW - timedelta(days=days_old)).isoformat(timespec="seconds"),
        "by": "user@host",
        "code": "0.2.0",
        "libraries": {},
        "learns": True,
        "any_coin": False,
        "parent": None,
        "spec": {},
    } | facts


def begin_version(registry: Registry, name: str = "linear") -> int:
    """A version whose training wrote a file, and did not end; its number."""
    folder = registry.take_number(name)
    number = int(folder.name)
    with draft_of(folder / "parameters-0.safetensors") as draft:
        save_file({"weights": np.full(100, float(number))}, draft)
    return number


def make_version(
    registry: Registry,
    name: str = "linear",
    *,
    horizon: int = 10,
    intervals: bool = True,
    **facts: Any,
) -> int:
    """A version that is finished; its number."""
    number = begin_version(registry, name)
    folder = registry.path / name / "versions" / str(number)
    manifest = Manifest(
        key=f"key of {name}:{number}",
        kind="parameters",
        models=[name],
        horizon=horizon,
        intervals=intervals,
        files=[record_of(folder / "parameters-0.safetensors")],
        facts=facts_of(**facts),
    )
    write_manifest(folder, manifest)
    return number


def losses_of(losses: ArrayLike, horizon: int = 10) -> pd.DataFrame:
    """The losses of coins at origins ``(n_coins, n_origins)``, as `differences` has them."""
    values = np.asarray(losses, dtype=np.float64)
    n_coins, n_origins = values.shape
    cutoffs = ORIGINS[:n_origins].to_numpy().astype("datetime64[s]")
    return pd.DataFrame(
        {
            "coin": np.repeat([f"coin-{i}" for i in range(n_coins)], n_origins),
            "cutoff": np.tile(cutoffs, n_coins),
            "end": np.tile(cutoffs + np.timedelta64(horizon, "D"), n_coins),
            "loss": values.ravel(),
        }
    ).dropna(subset="loss")


def keep_losses(
    registry: Registry,
    number: int,
    losses: ArrayLike,
    coverage: float = 0.8,
    name: str = "linear",
    **facts: Any,
) -> Score:
    """Keep a score of a version whose coins have these losses ``(n_coins, n_origins)``."""
    entry = registry.entry(f"{name}:{number}")
    fields = {
        "key": entry.check().key, "model": "linear", "horizon": entry.check().horizon,
        "freq": "1d", "prices": "of a test", "scored": NOW.isoformat(), "by": "user@host",
    } | facts  # fmt: skip
    row = {"relative_mae": 0.9, "coverage_80": coverage}
    score = make_score(losses_of(losses), row, fields)
    registry.keep_score(entry, score)
    return score


def make_losses(n_coins: int = 4, n_origins: int = 12, seed: int = 0) -> np.ndarray:
    """Losses of coins at origins, ``(n_coins, n_origins)``."""
    return np.random.default_rng(seed).uniform(0.05, 0.2, (n_coins, n_origins))
