"""One regression for all coins over the workers: the same as in a plain loop, to the last bit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, Forecasts, backtest, import_prices
from cryptodask.errors import OptionError
from cryptodask.models import run_model
from cryptodask.models.pooled.pooled_linear import PooledLinear
from cryptodask.prices.panels import to_panel

OWN = PooledLinear(normalise="window:10", ahead=6)
ALL = "lag:1-2 std:5 rsi:6 macd:3,6,4 bollinger:8 volume_change market_cap_change:2 weekday"
SHORT = {"target": "scaled:10", "normalise": "window:10", "ahead": 6}


@pytest.fixture(scope="module")
def cross(small_prices: pd.DataFrame) -> PooledLinear:
    """A model that sees everything there is, the market and another coin too."""
    coin = small_prices["coin"].value_counts(sort=True).index[0]
    return PooledLinear(f"{ALL} market:1-2 'coin:{coin}:1'", **SHORT)


def plainly(folder: Path, model: PooledLinear) -> pd.DataFrame:
    panel = to_panel(CryptoLoader(folder).get_df(), columns=model.columns)
    result = run_model(model, panel, 4)
    return pd.DataFrame(result.values, index=list(result.coins)).sort_index()


def wide(forecasts: Forecasts) -> pd.DataFrame:
    return forecasts.get_df().pivot(index="coin", columns="step", values="forecast")


@pytest.mark.parametrize("partitions", [1, 5, 12])
@pytest.mark.parametrize("which", ["own", "cross"])
def test_equals_the_plain_loop_for_any_partitioning(
    client: Client, small_folder: Path, cross: PooledLinear, partitions: int, which: str
) -> None:
    model = OWN if which == "own" else cross
    plain = plainly(small_folder, model)
    assert len(plain) >= 8
    loader = CryptoLoader(small_folder, partitions)
    result = wide(CryptoManager(loader, client).send_tasks(model, 4, progress=False))
    assert list(result.index) == list(plain.index)
    assert np.array_equal(result.to_numpy(), plain.to_numpy())


def test_a_table_gives_what_its_files_give(
    client: Client, small_folder: Path, tmp_path: Path, cross: PooledLinear
) -> None:
    table = import_prices(small_folder, tmp_path / "table", partitions=3)
    result = CryptoManager(str(table.path), client).send_tasks(cross, 4, progress=False)
    assert np.array_equal(wide(result).to_numpy(), plainly(small_folder, cross).to_numpy())


def test_a_horizon_that_has_no_coefficients_is_raised(client: Client, small_folder: Path) -> None:
    with pytest.raises(OptionError, match="ahead: 6 steps have coefficients and the horizon is 7"):
        CryptoManager(small_folder, client).send_tasks(OWN, 7, progress=False)


def test_the_fingerprint_of_what_was_seen_travels_with_the_result(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    manager = CryptoManager(small_folder, client)
    expected = {"pooled_linear": OWN.space.fingerprint}
    models = ["naive", OWN]
    result = manager.forecast(models, 4, progress=False)
    assert isinstance(result, Forecasts)
    assert result.features == expected
    folder = manager.forecast(models, 4, out=tmp_path / "out", progress=False)
    assert folder.features == expected


def test_a_backtest_trains_at_every_origin_and_sees_nothing_later(
    client: Client, small_folder: Path, cross: PooledLinear
) -> None:
    prices = CryptoLoader(small_folder).get_df()
    done = backtest(small_folder, [cross], 4, origins=3, calibrate=0, client=client, progress=False)
    table = done.get_df()
    table = table[table["model"] == cross.name]
    assert table["cutoff"].nunique() == 3
    for cutoff, rows in table.groupby("cutoff"):
        seen = prices[prices["date"] <= cutoff].reset_index(drop=True)
        result = run_model(cross, to_panel(seen, columns=cross.columns), 4)
        forecasts = rows.pivot(index="coin", columns="step", values="forecast")
        expected = pd.DataFrame(result.values, index=list(result.coins)).loc[forecasts.index]
        assert np.array_equal(forecasts.to_numpy(), expected.to_numpy())


def test_a_market_that_is_not_known_is_refused_where_training_is_older_than_the_forecast(
    client: Client, small_folder: Path
) -> None:
    model = PooledLinear("lag:1 market:1", **SHORT)
    with pytest.raises(OptionError, match="refit=1"):
        backtest(
            small_folder, [model], 4, origins=3, refit=3, calibrate=0, client=client, progress=False
        )
    fine = backtest(
        small_folder, [OWN], 4, origins=3, refit=3, calibrate=0, client=client, progress=False
    )
    assert len(fine.get_df())
