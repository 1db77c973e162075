"""Prices and clusters for runs of all kinds."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

from cryptodask.prices.synthetic import synthetic_prices
from tests.conftest import Cluster, running, write_folder


@pytest.fixture(scope="session")
def prices() -> pd.DataFrame:
    """Ten coins of 100 to 160 days that every model can forecast."""
    return synthetic_prices(10, 160, seed=5)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory, prices: pd.DataFrame) -> Path:
    """The same as a folder of files; one of the coins is slow on the cluster that hurts."""
    slow = prices.replace({"coin": {prices["coin"].iloc[0]: "Slowtoy"}})
    return write_folder(tmp_path_factory.mktemp("runs") / "prices", slow)


@pytest.fixture(scope="session")
def hurting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, which some coins slow down, crash or hang."""
    preload = str(Path(__file__).with_name("hurtful.py"))
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # of this scheduler, and of no later one
            patch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
            folder = tmp_path_factory.mktemp("hurting")
            cluster = stack.enter_context(running(folder, workers=0))
        for _ in range(2):
            cluster.add_worker("--preload", preload)
        yield cluster
