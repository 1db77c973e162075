"""Backtests on a cluster: equal to the plain loop, resumable, and told what they can't do."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, backtest, create_model, import_prices
from cryptodask.errors import InputError, OptionError, TableError
from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.rolling import choose_origins
from cryptodask.evaluate.rows import BACKTEST_COLUMNS, BOUNDS
from cryptodask.models import Model, run_model
from cryptodask.prices.panels import to_panel
from cryptodask.records import DAY, Panel
from cryptodask.results import Backtest, open_backtest
from tests.conftest import write_folder

LSTM = create_model("lstm", window=8, units=(4, 6), batch_size=64)
GLOBAL = create_model("lstm_global", window=8, units=(4,), steps=3, sample=4)
MODELS: list[str | Model] = ["linear", "ridge", LSTM]


@pytest.fixture(scope="module")
def panel(small_folder: Path) -> Panel:
    return to_panel(CryptoLoader(small_folder).get_df())


@pytest.fixture(scope="module")
def plain(panel: Panel) -> pd.DataFrame:
    """What a plain loop gives: four origins, ten days apart."""
    origins = choose_origins(panel.dates.min(), panel.dates.max(), DAY, 5, 4, 10)
    models = [create_model("naive"), create_model("linear"), create_model("ridge"), LSTM]
    tables = [backtest_panel(panel, m, origins, 5, 3, refit=2).table for m in models]
    rank = {m.name: i for i, m in enumerate(models)}
    whole = pd.concat(tables)
    key = whole["model"].map(rank)
    whole = whole.assign(rank=key).sort_values(["coin", "rank", "cutoff", "step"])
    return whole.drop(columns="rank").reset_index(drop=True)


def run(source: Any, client: Client, **options: Any) -> Backtest:
    settings: dict[str, Any] = {"origins": 4, "step": 10, "refit": 2, "seed": 3, "calibrate": 0}
    settings |= options
    return backtest(source, MODELS, 5, client=client, progress=False, **settings)


def assert_same(done: Backtest, plain: pd.DataFrame) -> None:
    table = done.get_df()
    assert tuple(table.columns) == BACKTEST_COLUMNS
    assert set(table.columns) - set(BOUNDS) == set(plain.columns) - set(BOUNDS)
    for name in set(BACKTEST_COLUMNS) - set(BOUNDS):
        pd.testing.assert_series_equal(table[name], plain[name], check_exact=True)


@pytest.mark.parametrize("partitions", [None, 1, 5])
def test_it_is_that_of_a_plain_loop_bit_for_bit_whatever_the_partitions(
    client: Client, small_folder: Path, plain: pd.DataFrame, partitions: int | None
) -> None:
    told: list[int] = []
    done = run(CryptoLoader(small_folder, partitions), client, on_done=told.append)
    assert_same(done, plain)
    assert done.models == ["naive", "linear", "ridge", "lstm"]
    assert sum(told) == 12 * 4
    early = done.failures[done.failures["exception"] == "TooShortError"]
    assert set(early["model"]) == {"ridge", "lstm"}
    flat = done.failures[done.failures["exception"] == "ConstantSeriesError"]
    assert flat["coin"].nunique() == 1
    assert flat.groupby("model").size().to_dict() == {"linear": 4, "lstm": 4, "ridge": 4}


def test_from_a_table_into_a_folder_it_is_the_same_and_can_be_opened_again(
    client: Client, small_folder: Path, plain: pd.DataFrame, tmp_path: Path
) -> None:
    table = import_prices(small_folder, tmp_path / "table", partitions=3)
    manager = CryptoManager(CryptoLoader(table.path), client)
    done = backtest(manager, MODELS, 5, origins=4, step=10, refit=2, seed=3, calibrate=0,
                    out=tmp_path / "out", progress=False)  # fmt: skip
    assert_same(done, plain)
    again = open_backtest(tmp_path / "out")
    assert_same(again, plain)
    pd.testing.assert_frame_equal(again.failures, done.failures)
    lazy = again.get_ddf()
    assert len(lazy) == len(plain)
    assert float(lazy["forecast"].sum().compute()) == pytest.approx(plain["forecast"].sum())


def test_what_models_on_features_saw_is_told_in_memory_and_in_a_folder(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    model = create_model("ridge_features", features="lag:1-3 weekday")
    told = {"ridge_features": model.space.fingerprint}  # type: ignore[attr-defined]
    asked = {"horizon": 2, "origins": 1, "calibrate": 0, "client": client, "progress": False}
    assert backtest(small_folder, [model], **asked).features == told  # type: ignore[arg-type]
    backtest(small_folder, [model], out=tmp_path / "out", **asked)  # type: ignore[arg-type]
    assert open_backtest(tmp_path / "out").features == told


def test_a_run_that_was_stopped_goes_on_and_does_nothing_twice(
    client: Client, small_folder: Path, plain: pd.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(small_folder, client, out=out)
    files = sorted(out.glob("backtest-*.parquet"))
    assert len(files) > 4
    kept = {file.name: file.read_bytes() for file in files}
    looks = {file.name: file.stat().st_mtime_ns for file in files}
    (out / "_manifest.json").unlink()
    with pytest.raises(TableError, match="holds no result that is whole; `cryptodask resume"):
        open_backtest(out)
    for lost in files[1:3]:
        lost.unlink()
    # Another number of workers would cut the work otherwise; the plan that began is kept.
    done = run(CryptoLoader(small_folder, 2), client, out=out)
    assert_same(done, plain)
    for file in out.glob("backtest-*.parquet"):
        assert file.read_bytes() == kept[file.name]
        anew = file.name in {lost.name for lost in files[1:3]}
        assert (file.stat().st_mtime_ns != looks[file.name]) == anew


def test_another_backtest_in_the_folder_is_refused_or_replaced_where_that_is_said(
    client: Client, small_folder: Path, plain: pd.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(small_folder, client, out=out, seed=4)
    before = json.loads((out / "_plan.json").read_text())
    with pytest.raises(InputError, match="holds a backtest of other seed; name another folder"):
        run(small_folder, client, out=out)
    assert json.loads((out / "_plan.json").read_text()) == before
    assert_same(run(small_folder, client, out=out, overwrite=True), plain)


def test_a_folder_of_something_else_is_left_alone(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something other than backtest"):
        run(small_folder, client, out=tmp_path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_is_trained_on_all_coins_is_so_as_of_every_origin(
    client: Client, small_folder: Path, panel: Panel
) -> None:
    done = backtest(CryptoLoader(small_folder, 4), [GLOBAL], 5, origins=2, step=10, seed=3,
                    calibrate=0, client=client, progress=False)  # fmt: skip
    table = done.get_df()
    for origin in done.origins:
        upto = panel.dates <= origin
        series = [
            (coin, closes[dates <= origin], dates[dates <= origin])
            for coin, closes, dates in panel
            if (dates <= origin).any()
        ]
        assert upto.any()
        expected = run_model(GLOBAL, Panel.from_series(series), 5, 3)
        rows = table[(table["model"] == "lstm_global") & (table["cutoff"] == origin)]
        wide = rows.pivot(index="coin", columns="step", values="forecast")
        live = [i for i, c in enumerate(expected.coins) if c in wide.index]
        assert np.array_equal(wide.to_numpy(), expected.values[live])


def test_a_table_ends_at_the_day_asked_for_as_a_folder_does(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    table = import_prices(small_folder, tmp_path / "table")
    last = pd.Timestamp(CryptoLoader(small_folder).get_df()["date"].max())
    asked = {"horizon": 3, "origins": 2, "to_date": last - pd.Timedelta(days=8), "calibrate": 0}
    ours, other = (
        backtest(source, ["drift"], client=client, progress=False, **asked)  # type: ignore[arg-type]
        for source in (table.path, small_folder)
    )
    assert pd.Timestamp(ours.origins[-1]) == last - pd.Timedelta(days=11)
    assert len(ours.get_df())
    pd.testing.assert_frame_equal(ours.get_df(), other.get_df())


def test_dates_coins_and_days_can_be_chosen(client: Client, small_folder: Path) -> None:
    loader = CryptoLoader(small_folder)
    coins = loader.get_crypto_names()[4:6]
    last = pd.Timestamp(loader.get_df(coins)["date"].max())
    dates = [last - pd.Timedelta(days=20), (last - pd.Timedelta(days=9)).strftime("%Y-%m-%d")]
    done = backtest(loader, ["naive"], 3, origins=dates, coins=coins,
                    to_date=last - pd.Timedelta(days=8), window=5, client=client,
                    progress=False)  # fmt: skip
    table = done.get_df()
    assert set(table["coin"]) == set(coins)
    assert set(table["model"]) == {"naive"}
    late = table[table["cutoff"] == table["cutoff"].max()]
    assert late["actual"].notna().groupby(late["step"]).all().to_dict() == {
        1: True, 2: False, 3: False,
    }  # fmt: skip


def test_a_table_that_is_cut_ends_on_the_last_day_that_is_kept(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    table = import_prices(small_folder, tmp_path / "table")
    last = pd.Timestamp(table.index["last"].max()) - pd.Timedelta(days=9)
    done = backtest(table.path, ["naive"], 3, origins=2, to_date=last, calibrate=0, client=client,
                    progress=False)  # fmt: skip
    assert pd.to_datetime(done.origins).tolist() == [last - pd.Timedelta(days=d) for d in (6, 3)]
    assert done.get_df()["actual"].notna().all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"warmup": -1}, "warmup: must be at least 0 bars, got -1"),
        ({"calibrate": -5}, "calibrate: must be at least 0 bars, got -5"),
        ({"refit": 0}, "refit: must be at least 1, got 0"),
        ({"window": 0}, "window: must be 'expanding' or a number of rows, got 0"),
        ({"window": "all"}, "window: must be 'expanding' or a number of rows, got 'all'"),
        ({"origins": 400}, "400 origins 10 bars apart and a horizon of 5 do not fit"),
        ({"origins": [None]}, "origins: None is not a day"),
    ],
)
def test_options_that_make_no_sense_are_told(
    client: Client, small_folder: Path, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        run(small_folder, client, **options)


def test_a_manager_has_its_own_cluster(client: Client, small_folder: Path) -> None:
    with pytest.raises(OptionError, match="a manager has its own cluster"):
        backtest(CryptoManager(small_folder, client), client=client)


@pytest.mark.parametrize("how", ["memory", "folder"])
def test_intervals_are_the_same_however_the_coins_are_divided_and_look_at_nothing_later(
    client: Client, small_folder: Path, panel: Panel, tmp_path: Path, how: str
) -> None:
    found = []
    for partitions in (1, 5):
        out = tmp_path / str(partitions) if how == "folder" else None
        done = backtest(CryptoLoader(small_folder, partitions), ["drift"], 5, origins=4, step=5,
                        warmup=45, seed=3, out=out, client=client, progress=False)  # fmt: skip
        assert len(done.origins) == 4
        found.append(done.get_df())
        assert set(found[-1]["cutoff"]) == set(pd.to_datetime(done.origins))
    pd.testing.assert_frame_equal(*found, check_exact=True)
    table = found[0]
    bounds = table[["lower_95", "lower_80", "upper_80", "upper_95"]].to_numpy()
    known = table["volatility"].notna()
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (bounds > 0).all()
    assert table[known & table["actual"].notna()].eval("lower_80 < actual < upper_80").mean() > 0.5
    # Prices after an origin change nothing that was said at it.
    changed = CryptoLoader(small_folder).get_df()
    late = changed["date"] > pd.Timestamp(done.origins[1])
    changed.loc[late, ["open", "high", "low", "close"]] *= 1.5
    other = write_folder(tmp_path / "other", changed)
    again = backtest(other, ["drift"], 5, origins=4, step=5, warmup=45, seed=3, client=client,
                     progress=False).get_df()  # fmt: skip
    said = [c for c in BACKTEST_COLUMNS if c != "actual"]
    before, after = (
        [part.reset_index(drop=True) for _, part in t[said].groupby(t["cutoff"] > done.origins[1])]
        for t in (table, again)
    )
    pd.testing.assert_frame_equal(before[0], after[0], check_exact=True)
    assert not before[1].equals(after[1])


def test_what_is_trained_on_all_coins_is_so_too_where_a_run_goes_on(
    client: Client, small_folder: Path, tmp_path: Path
) -> None:
    """And not on the coins alone that are left."""
    loader, out = CryptoLoader(small_folder, 4), tmp_path / "out"
    options: dict[str, Any] = {"origins": 1, "calibrate": 0, "client": client, "progress": False}
    whole = backtest(loader, [GLOBAL], 5, out=out, **options).get_df()
    files = sorted(out.glob("backtest-*.parquet"))
    assert len(files) == 8
    files[-1].unlink()
    pd.testing.assert_frame_equal(backtest(loader, [GLOBAL], 5, out=out, **options).get_df(), whole)
