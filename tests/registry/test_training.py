"""Versions: what is trained is what is predicted, bit for bit, wherever and whenever that is."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client
from upath import UPath

from cryptodask.cluster import connect
from cryptodask.errors import OptionError, VersionError
from cryptodask.models import Model, create_model
from cryptodask.models.trained import Trained, learn_panel
from cryptodask.prices import PriceTable, import_prices
from cryptodask.prices.panels import to_panel
from cryptodask.prices.synthetic import synthetic_prices
from cryptodask.registry import Registry, predict, train
from cryptodask.runs import forecast
from tests.conftest import Cluster

HORIZON = 4

MODELS = {
    "naive": {},
    "linear": {},
    "ridge": {"lags": 5},
    "ridge_features": {},
    "svr_rbf": {"max_rows": 60},
    "sklearn:sklearn.linear_model.HuberRegressor": {},
    "pooled_linear": {"ahead": HORIZON},
    "auto": {},
    "ensemble": {"how": "inverse_error"},
    "lstm": {"window": 8, "units": "4,4"},
    "lstm_global": {"window": 8, "units": "4", "steps": 3},
    "keras:gru": {"window": 8, "units": 4, "epochs": 1},
    "keras:tcn": {"window": 8, "units": 4, "epochs": 1, "pooled": True},
}
"""Each with options that make it quick."""


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Iterator[Client]:
    """A client of the cluster that all share."""
    with connect(cluster.address) as client:
        yield client


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    """Nine coins of up to 130 days, of which one never moves and one is short."""
    return synthetic_prices(9, 130, seed=3, short=(12,), broken=("constant",))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, prices: pd.DataFrame) -> Path:
    """The same as a table."""
    path = tmp_path_factory.mktemp("prices") / "table"
    import_prices(prices, path)
    return path


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert len(one)
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("name", MODELS)
def test_a_version_forecasts_what_the_run_that_trained_it_would(
    name: str, table: Path, client: Client, tmp_path: Path
):
    model = create_model(name, **MODELS[name])
    version = train(
        table, model, registry=tmp_path, horizon=HORIZON, client=client, progress=False, seed=3
    )
    kept = version.path.parent.parent.name
    predicted = predict(table, f"{kept}:1", registry=tmp_path, client=client, progress=False)
    anew = forecast(table, [model], HORIZON, client=client, progress=False, seed=3)
    same(predicted.get_df(), anew.get_df())
    assert set(predicted.failures["coin"]) == set(anew.failures["coin"])


@pytest.mark.parametrize("name", ["ridge", "pooled_linear", "naive", "auto"])
def test_intervals_are_those_of_the_run_that_trained_it(
    name: str, table: Path, client: Client, tmp_path: Path
):
    model = create_model(name, **MODELS[name])
    how = {"intervals": True, "calibrate": 7, "warmup": 50}
    train(table, model, registry=tmp_path, horizon=HORIZON, client=client, progress=False, **how)
    predicted = predict(table, f"{name}:1", registry=tmp_path, client=client, progress=False)
    anew = forecast(table, [model], HORIZON, client=client, progress=False, **how)
    same(predicted.get_df(), anew.get_df())
    assert predicted.get_df()["lower_95"].notna().mean() > 0.8
    assert (predicted.tasks["bounded"].sum()) == anew.tasks["bounded"].sum()


def test_workers_and_partitions_change_no_bit(table: Path, prices: pd.DataFrame, tmp_path: Path):
    """Trained with two workers, predicted with one, two and four from other partitions."""
    model = create_model("ridge", lags=5)
    train(table, model, registry=tmp_path, horizon=HORIZON, workers=2, progress=False)
    files = tmp_path / "files"
    files.mkdir()
    for coin, rows in prices.groupby("coin"):
        rows.drop(columns="coin").to_csv(files / f"{coin}.csv", index=False)
    expected = forecast(table, [model], HORIZON, workers=1, progress=False).get_df()
    for workers, source in ((1, table), (2, files), (4, prices)):
        there = predict(source, "ridge:1", registry=tmp_path, workers=workers, progress=False)
        same(there.get_df(), expected)


def test_another_process_predicts_the_same_by_the_command(
    table: Path, client: Client, cluster: Cluster, tmp_path: Path
):
    train(table, "linear", registry=tmp_path, horizon=HORIZON, client=client, progress=False)
    out = tmp_path / "predicted.parquet"
    words = ("predict", table, "--model", "linear:1", "--registry", tmp_path, "--out", out,
             "--scheduler", cluster.address)  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "cryptodask.cli", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 3, done.stderr  # the constant coin is not known
    assert "UntrainedError" in done.stderr
    assert "closes are" in done.stderr
    anew = forecast(table, ["linear"], HORIZON, client=client, progress=False)
    same(pd.read_parquet(out).astype(anew.get_df().dtypes.to_dict()), anew.get_df())


def test_a_store_keeps_versions(table: Path, client: Client, store: UPath, tmp_path: Path):
    registry = store / "models"
    for name in ("ridge", "pooled_linear"):
        model = create_model(name, **MODELS[name])
        train(table, model, registry=registry, horizon=HORIZON, workers=2, progress=False)
        there = predict(table, f"{name}:1", registry=registry, workers=1, progress=False)
        same(there.get_df(), forecast(table, [model], HORIZON, client=client).get_df())
    assert Registry(registry).names() == ["pooled_linear", "ridge"]


@pytest.mark.parametrize("name", ["ridge", "linear", "lstm", "pooled_linear"])
def test_thirty_days_are_predicted_from_one_version(
    name: str, prices: pd.DataFrame, client: Client, tmp_path: Path
):
    """Each day as the model forecasts that learned up to the version's last date, here."""
    model = create_model(name, **MODELS[name])
    sound = prices[~prices["coin"].isin(_unsound(prices))]
    days = np.sort(sound["date"].unique())
    known = sound[sound["date"] <= days[-31]]
    import_prices(known, tmp_path / "table")
    train(
        tmp_path / "table", model, registry=tmp_path / "models", horizon=HORIZON, client=client,
        progress=False,
    )  # fmt: skip
    trained = _trained_here(model, known)
    for day in days[-30:]:
        PriceTable(tmp_path / "table").append(sound[sound["date"] == day])
        there = predict(
            tmp_path / "table", f"{name}:1", registry=tmp_path / "models", client=client,
            progress=False,
        ).get_df()  # fmt: skip
        panel = to_panel(sound[sound["date"] <= day].sort_values(["coin", "date"]), "1d", ())
        expected = trained.forecast(panel, HORIZON, 0)
        assert there["cutoff"].unique() == [pd.Timestamp(day)]
        np.testing.assert_array_equal(
            there["forecast"].to_numpy().reshape(expected.shape), expected
        )


def _unsound(prices: pd.DataFrame) -> list[str]:
    """Return coins that are short or never move."""
    coins = prices.groupby("coin")["close"]
    return [str(coin) for coin, closes in coins if closes.nunique() < 20]


def _trained_here(model: Model, prices: pd.DataFrame) -> Model:
    panel = to_panel(prices.sort_values(["coin", "date"]), "1d", ())
    if model.name == "pooled_linear":
        from cryptodask.models.pooled.base import train as train_pooled

        return model.trained(train_pooled(model, panel, 0))  # type: ignore[attr-defined]
    learned, failures = learn_panel(model, panel, HORIZON, 0)
    assert learned is not None
    assert not failures
    return Trained(model, learned)


def test_coins_that_a_version_does_not_know_are_named_or_forecast(
    table: Path, prices: pd.DataFrame, client: Client, tmp_path: Path
):
    coins = sorted(set(prices["coin"]) - set(_unsound(prices)))
    how = {"registry": tmp_path, "client": client, "progress": False}
    train(table, "linear", horizon=HORIZON, coins=coins[:3], **how)
    pooled = create_model("pooled_linear", **MODELS["pooled_linear"])
    train(table, pooled, horizon=HORIZON, coins=coins[:3], **how)
    done = predict(table, ["linear:1", "pooled_linear:1"], coins=coins, **how)
    by_model = done.get_df().groupby("model")["coin"].unique()
    assert sorted(by_model["linear"]) == coins[:3]
    assert sorted(by_model["pooled_linear"]) == coins
    failed = done.failures
    assert sorted(failed["coin"]) == coins[3:]
    assert set(failed["exception"]) == {"UntrainedError"}
    assert failed["message"].str.contains("was not trained on it; train a new version").all()


def test_prices_of_before_the_training_are_refused_coin_by_coin(
    table: Path, prices: pd.DataFrame, client: Client, tmp_path: Path
):
    """A version has seen what it would forecast from them."""
    train(table, "linear", registry=tmp_path, horizon=HORIZON, client=client, progress=False)
    day = np.sort(prices["date"].unique())[-10]
    done = predict(
        table, "linear:1", registry=tmp_path, to_date=str(day)[:10], client=client, progress=False
    )
    assert not len(done)
    assert done.failures["message"].str.contains("has seen what it would forecast").any()


def test_what_can_not_be_kept_is_refused_by_name_before_any_work(table: Path, tmp_path: Path):
    with pytest.raises(VersionError, match="own: was made in Python"):
        train(table, _Own(), registry=tmp_path, workers=1, progress=False)
    assert Registry(tmp_path).names() == []


class _Own(Model):
    """A model that no catalog has."""

    name = "own"

    def min_length(self, horizon: int) -> int:
        return 1


def test_what_a_version_was_not_trained_for_is_refused(
    table: Path, client: Client, tmp_path: Path, prices: pd.DataFrame
):
    how = {"registry": tmp_path, "client": client, "progress": False}
    train(table, "ridge_features", horizon=HORIZON, **how)
    with pytest.raises(VersionError, match=f"horizon: trained for {HORIZON} bars, and 5 are"):
        predict(table, "ridge_features:1", horizon=5, **how)
    with pytest.raises(VersionError, match="intervals: was trained without"):
        predict(table, "ridge_features:1", intervals=True, **how)
    hourly = prices.assign(
        date=pd.Timestamp("2020-01-01") + (prices["date"] - prices["date"].min()) / 24
    )
    import_prices(hourly, tmp_path / "hourly")
    with pytest.raises(VersionError, match="freq: trained on bars of 1d, and these prices"):
        predict(tmp_path / "hourly", "ridge_features:1", **how)
    train(table, "linear", horizon=HORIZON, window=50, **how)
    with pytest.raises(VersionError, match=r"window: trained with 50, and .* with expanding"):
        predict(table, ["ridge_features:1", "linear:1"], **how)
    with pytest.raises(OptionError, match="is linear again"):
        predict(table, ["linear:1", "linear:1"], **how)


def test_the_same_training_continues_where_it_was_stopped_and_another_does_not(
    table: Path, client: Client, tmp_path: Path
):
    how = {"registry": tmp_path, "client": client, "progress": False, "horizon": HORIZON}
    first = train(table, "linear", **how)
    (first.path / "_manifest.json").unlink()
    again = train(table, "linear", **how)
    assert again.path == first.path
    assert train(table, "linear", **how).path.name == "2"
    assert train(table, "linear", seed=4, **how).path.name == "3"


@pytest.mark.slow
def test_two_equal_trainings_at_once_make_two_versions(table: Path, tmp_path: Path):
    """The first is held in the middle of its work until the second has ended."""
    words = [sys.executable, "-m", "cryptodask.cli", "train", table, "--model", "lstm", "--horizon",
             HORIZON, "--registry", tmp_path, "--workers", 1]  # fmt: skip
    command = [str(word) for word in words]
    versions = tmp_path / "lstm" / "versions"
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not (versions / "1" / "_plan.json").exists():
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
        assert not (versions / "1" / "_manifest.json").exists()
        second = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert second.returncode == 3, second.stderr  # one coin never moves
        assert (versions / "2" / "_manifest.json").exists()
        assert not (versions / "1" / "_manifest.json").exists()
        first.send_signal(signal.SIGCONT)
        _, text = first.communicate(timeout=120)
        assert first.returncode == 3, text
    finally:
        first.kill()
        first.wait()
    kept = Registry(tmp_path)
    assert [entry.status for entry in kept.versions("lstm")] == ["finished", "finished"]
    one, two = (predict(table, f"lstm:{n}", registry=kept, workers=1) for n in (1, 2))
    same(one.get_df(), two.get_df())
