"""The main job: the same forecasts as a plain loop, whatever the cluster does."""

import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, Forecasts, create_model, import_prices
from cryptodask.cluster import ordered_map
from cryptodask.errors import (
    BrokenSeriesError,
    InputError,
    MissingExtraError,
    OptionError,
    UnknownCoinError,
    UnknownModelError,
)
from cryptodask.models import Model, run_model
from cryptodask.prices.freq import step_of
from cryptodask.prices.panels import to_panel
from cryptodask.results.forecasts import empty_forecasts, sort_forecasts
from cryptodask.runs import forecast
from tests.conftest import REAL_DATA, Cluster, write_folder

SMALL_LSTM = {"window": 8, "units": (4, 6), "batch_size": 16}
ALL = ["random", "naive", "linear"]


def plain_loop(loader: CryptoLoader, models: list, horizon: int) -> pd.DataFrame:
    """Forecast one coin after the other, with no Dask and no batch."""
    rows = []
    for coin in loader.get_crypto_names():
        for model in models:
            result = run_model(model, to_panel(loader.get_df(coin)), horizon)
            for values, dates, cutoff in zip(
                result.values, result.dates, result.cutoffs, strict=True
            ):
                rows += [
                    (coin, model.name, cutoff, date, step, value)
                    for step, (date, value) in enumerate(zip(dates, values, strict=True), 1)
                ]
    frame = pd.DataFrame(rows, columns=list(empty_forecasts().columns))
    return frame.astype(empty_forecasts().dtypes.to_dict())


def test_send_tasks_gives_every_coin_but_the_hopeless(client: Client, small_folder: Path):
    loader = CryptoLoader(small_folder)
    result = CryptoManager(loader, client).send_tasks("linear", 7, progress=False)
    assert isinstance(result, Forecasts)
    table = result.get_df()
    assert list(table.columns) == ["coin", "model", "cutoff", "date", "step", "forecast"]
    failed = result.failures.set_index("coin")
    assert len(failed) == 1
    assert failed["exception"].iloc[0] == "ConstantSeriesError"
    assert failed.index[0] in failed["message"].iloc[0]
    counts = table.groupby("coin").size()
    assert set(counts.index) == set(loader.get_crypto_names()) - set(failed.index)
    assert (counts == 7).all()
    assert ((table["date"] - table["cutoff"]).dt.days == table["step"]).all()


@pytest.mark.parametrize("partitions", [1, 5, 12])
def test_equals_the_plain_loop_for_any_partitioning(
    client: Client, small_folder: Path, partitions: int
):
    loader = CryptoLoader(small_folder, partitions)
    models = [*map(create_model, ALL), create_model("lstm", **SMALL_LSTM)]
    result = CryptoManager(loader, client).forecast(models, 4, progress=False)
    expected = plain_loop(loader, models, 4)
    rank = {m.name: i for i, m in enumerate(models)}
    expected = expected.sort_values(["coin", "step"], kind="stable")
    order = np.lexsort([expected["step"], expected["model"].map(rank), expected["coin"]])
    pd.testing.assert_frame_equal(
        result.get_df(), expected.iloc[order].reset_index(drop=True), check_exact=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_equals_for_any_number_of_workers(client: Client, small_folder: Path, workers: int):
    models = [*ALL, create_model("lstm", **SMALL_LSTM)]
    two = CryptoManager(small_folder, client).forecast(models, 3, progress=False)
    with CryptoManager(small_folder, workers=workers) as manager:
        other = manager.forecast(models, 3, progress=False)
        assert len(manager.client.scheduler_info()["workers"]) == workers
    pd.testing.assert_frame_equal(two.get_df(), other.get_df(), check_exact=True)
    pd.testing.assert_frame_equal(two.failures, other.failures)


def test_a_table_gives_what_its_folder_gives(client: Client, small_folder: Path, tmp_path: Path):
    table = import_prices(small_folder, tmp_path / "table", partitions=3)
    from_table = CryptoManager(str(table.path), client).forecast(ALL, progress=False)
    from_folder = CryptoManager(small_folder, client).forecast(ALL, progress=False)
    pd.testing.assert_frame_equal(from_table.get_df(), from_folder.get_df(), check_exact=True)


def test_a_table_that_workers_read_is_the_one_that_is_read_here(
    client: Client, small_folder: Path, tmp_path: Path
):
    here = import_prices(small_folder, tmp_path / "here", partitions=5)
    there = import_prices(
        small_folder, tmp_path / "there", partitions=5, run=partial(ordered_map, client)
    )
    pd.testing.assert_frame_equal(here.index, there.index)
    pd.testing.assert_frame_equal(here.findings(), there.findings())
    one, other = CryptoLoader(here.path).get_df(), CryptoLoader(there.path).get_df()
    pd.testing.assert_frame_equal(one, other)


def test_prices_travel_where_workers_do_not_see_the_files(
    client: Client, small_folder: Path, monkeypatch
):
    seen = CryptoManager(small_folder, client).forecast(ALL, progress=False)
    monkeypatch.setattr("cryptodask.cluster.paths_visible", lambda *_: False)
    shipped = CryptoManager(small_folder, client).forecast(ALL, progress=False)
    pd.testing.assert_frame_equal(seen.get_df(), shipped.get_df(), check_exact=True)


def test_a_dask_dataframe_where_asked(client: Client, small_folder: Path):
    manager = CryptoManager(small_folder, client)
    here = manager.forecast(ALL, 5, progress=False)
    there = manager.forecast(ALL, 5, as_dask=True, progress=False)
    frame = there.get_ddf()
    assert frame.npartitions == 3  # so small that one task does it for each model
    computed = frame.compute()
    assert computed.dtypes.equals(here.get_df().dtypes)
    keys = ["coin", "model", "step"]
    pd.testing.assert_frame_equal(
        computed.sort_values(keys, ignore_index=True),
        here.get_df().sort_values(keys, ignore_index=True),
        check_exact=True,
    )
    pd.testing.assert_frame_equal(there.failures, here.failures)
    assert frame.groupby("model").size().compute()["naive"] == 12 * 5


def test_some_coins_and_some_days(client: Client, small_folder: Path):
    loader = CryptoLoader(small_folder)
    coin = loader.get_crypto_names()[-1]
    dates = loader.get_df(coin)["date"]
    cutoff = dates.iloc[-20]
    manager = CryptoManager(loader, client)
    result = manager.forecast(["naive"], 2, [coin], to_date=cutoff, progress=False)
    table = result.get_df()
    assert table["cutoff"].unique().tolist() == [cutoff]
    assert table["forecast"].tolist() == [loader.get_prices(coin, to_date=cutoff)[-1]] * 2
    none = manager.forecast(["naive"], 2, [coin], to_date="2001-01-01", progress=False)
    assert len(none) == 0
    assert none.failures["exception"].tolist() == ["NoPricesError"]


def test_a_coin_without_a_readable_row_is_named(client: Client, small_folder: Path, tmp_path: Path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in small_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "Emptycoin.csv").write_text("")
    (folder / "Wordcoin.csv").write_text("Date,Close\n2024-01-01,many\n")
    table = import_prices(folder, tmp_path / "table")
    for source in (folder, table.path):
        result = CryptoManager(source, client).forecast(["naive"], progress=False)
        assert sorted(result.failures["coin"]) == ["Emptycoin", "Wordcoin"]
        assert set(result.failures["exception"]) == {"NoPricesError"}
        assert result.get_df()["coin"].nunique() == 12


def test_progress_counts_every_coin_of_every_model(client: Client, small_folder: Path):
    done: list[int] = []
    manager = CryptoManager(small_folder, client)
    manager.forecast(ALL, progress=False, on_done=done.append)
    assert sum(done) == 12 * 3


def test_a_result_has_a_table_and_tells_of_itself(client: Client, small_folder: Path):
    result = CryptoManager(small_folder, client).forecast(["naive"], progress=False)
    assert type(result.get_df()) is pd.DataFrame
    pd.testing.assert_frame_equal(result.head(3), result.get_df().head(3))
    assert "rows: 120; " in repr(result)
    assert "failures: 0; " in repr(result)
    assert "<table" in result._repr_html_()


def test_a_manager_shows_its_prices_and_starts_nothing_for_it(small_folder: Path):
    manager = CryptoManager(small_folder, workers=2)
    shown = "cluster: not started yet (2 workers on this machine)"
    assert repr(manager).startswith("CryptoManager(CryptoLoader(12 coins, daily bars, ")
    assert repr(manager).endswith(f"{shown})")
    assert "2 workers on this machine" in manager._repr_html_()
    assert manager._client is None


def test_a_manager_names_its_scheduler(client: Client, small_folder: Path):
    assert client.scheduler.address in repr(CryptoManager(small_folder, client))


def test_a_model_derives_from_the_base_class(client: Client, small_folder: Path):
    with pytest.raises(OptionError, match="is an object, and no model; write a class that derives"):
        CryptoManager(small_folder, client).forecast([object()])


def test_tells_what_was_asked_wrongly(client: Client, small_folder: Path):
    manager = CryptoManager(small_folder, client)
    with pytest.raises(UnknownModelError, match="models: random, naive"):
        manager.send_tasks("arima")
    with pytest.raises(UnknownCoinError, match="'Nocoin'"):
        manager.send_tasks(coins=["Nocoin"])
    with pytest.raises(OptionError, match="horizon: must be at least 1, got 0"):
        manager.send_tasks(predict=0)
    with pytest.raises(OptionError, match="naive given twice"):
        manager.forecast(["naive", "naive"])
    with pytest.raises(OptionError, match="none given"):
        manager.forecast([])
    with pytest.raises(OptionError, match="gaps: must be one of leave, fill, split, got 'drop'"):
        manager.forecast(gaps="drop")
    with pytest.raises(OptionError, match=r"gap_limit: .* by gaps 'fill' only"):
        manager.forecast(gaps="fill")
    with pytest.raises(OptionError, match="workers: got 2 beside a client"):
        CryptoManager(small_folder, client, workers=2)


def with_gaps(prices: pd.DataFrame, freq: str) -> pd.DataFrame:
    """Every coin without some of its rows, and with bars of this length."""
    kept = []
    for i, (_, rows) in enumerate(prices.groupby("coin")):
        n = len(rows)
        gone = {3, n - 8 - i % 3, *range(9, 9 + i % 4), *((n - 4, n - 5) if i % 2 else ())}
        days = np.arange(n)
        dates = np.datetime64("2026-01-01", "s") + days * step_of(freq)
        kept.append(rows.assign(date=dates)[[day not in gone for day in days]])
    return pd.concat(kept, ignore_index=True)


def dealt_with_by_hand(rows: pd.DataFrame, gaps: str, limit: int, freq: str) -> pd.DataFrame:
    """The rows of one coin with gaps filled, or only those after the last one."""
    step = pd.Timedelta(step_of(freq))
    seen: list[tuple[pd.Timestamp, float]] = []
    for when, close in zip(rows["date"], rows["close"], strict=True):
        missing = (when - seen[-1][0]) // step - 1 if seen else 0
        if missing and gaps == "split":
            seen = []
        if missing <= limit and gaps == "fill":
            seen += [(seen[-1][0] + (i + 1) * step, seen[-1][1]) for i in range(missing)]
        seen.append((when, close))
    dates, closes = zip(*seen, strict=True)
    return pd.DataFrame({"coin": rows["coin"].iloc[0], "date": dates, "close": closes})


@pytest.mark.parametrize(
    ("freq", "gaps", "limit"),
    [("1d", "fill", 2), ("1h", "fill", 1), ("1d", "split", 0), ("1h", "leave", 0)],
)
def test_gaps_are_dealt_with_as_in_a_plain_loop_for_any_partitioning(
    client: Client, small_prices: pd.DataFrame, tmp_path: Path, freq: str, gaps: str, limit: int
):
    prices = with_gaps(small_prices, freq)
    folder = write_folder(tmp_path / "folder", prices)
    table = import_prices(folder, tmp_path / "table", partitions=3)
    assert table.freq == freq
    models = [create_model("naive"), create_model("linear")]
    rows, failed = [], set()
    for coin, given in prices.groupby("coin"):
        seen = dealt_with_by_hand(given, gaps, limit, freq)
        for model in models:
            result = run_model(model, to_panel(seen, freq), 3)
            failed |= {(f.coin, f.model, f.message) for f in result.failures}
            for step, value in enumerate(result.values.ravel(), 1):
                last = seen["date"].iloc[-1]
                date = last + step * pd.Timedelta(step_of(freq))
                rows.append((coin, model.name, last, date, step, value))
    expected = pd.DataFrame(rows, columns=list(empty_forecasts().columns))
    expected = expected.astype(empty_forecasts().dtypes.to_dict())
    how = {"gaps": gaps, "gap_limit": limit or None}
    for source, partitions in ((folder, 1), (table.path, None), (table.path, 12)):
        manager = CryptoManager(CryptoLoader(source, partitions), client)
        result = manager.forecast(models, 3, progress=False, **how)
        pd.testing.assert_frame_equal(result.get_df(), expected, check_exact=True)
        told = result.failures[["coin", "model", "message"]].itertuples(index=False, name=None)
        assert set(told) == failed


def test_gaps_change_what_a_model_sees(client: Client, small_prices: pd.DataFrame, tmp_path: Path):
    folder = write_folder(tmp_path, with_gaps(small_prices, "1d"))
    manager = CryptoManager(folder, client)
    left, filled, split = (
        manager.forecast(["linear"], 2, gaps=gaps, gap_limit=limit, progress=False).get_df()[
            "forecast"
        ]
        for gaps, limit in (("leave", None), ("fill", 9), ("split", None))
    )
    assert len(left) == len(filled) == len(split)
    assert (left != filled).all()
    assert (left != split).all()


def test_an_lstm_forecasts_by_gaps_filled_what_it_refuses_by_gaps_left(
    client: Client, small_prices: pd.DataFrame, tmp_path: Path
):
    coins = sorted(set(small_prices["coin"]))
    whole = small_prices.groupby("coin")["close"].agg(["size", "nunique"])
    coin = next(c for c in coins if whole.loc[c].min() > 60)
    rows = small_prices[small_prices["coin"] == coin]
    folder = write_folder(tmp_path, rows.drop(index=rows.index[[-3, -40]]))
    manager, lstm = CryptoManager(folder, client), create_model("lstm", **SMALL_LSTM)
    left = manager.forecast([lstm], 2, progress=False)
    [failure] = left.failures.itertuples()
    assert failure.exception == "TooShortError"
    assert "2 rows after its last gap" in failure.message
    assert "gaps='fill' (--gaps fill --gap-limit N)" in failure.message
    filled = manager.forecast([lstm], 2, gaps="fill", gap_limit=1, progress=False)
    assert filled.failures.empty
    assert len(filled) == 2


def test_forecasts_of_an_hourly_table_have_hours(
    client: Client, small_prices: pd.DataFrame, tmp_path: Path
):
    folder = write_folder(tmp_path, with_gaps(small_prices, "4h"))
    result = CryptoManager(folder, client).forecast(
        ["naive"], 7, to_date="2026-01-20", progress=False
    )
    table = result.get_df()
    hours = (table["date"] - table["cutoff"]) / pd.Timedelta(hours=4)
    assert (hours == table["step"]).all()
    assert table["cutoff"].max() == pd.Timestamp("2026-01-20 20:00")  # the whole of the last day
    assert table.groupby("coin")["date"].nunique().eq(7).all()


class Spoiled(Model):
    """A model whose file is missing something on the workers."""

    name = "spoiled"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def min_length(self, horizon: int) -> int:
        """Return 1."""
        return 1

    def forecast(self, panel, horizon, seed):
        """Raise."""
        raise self.error


def test_what_concerns_every_coin_is_raised(client: Client, small_folder: Path):
    manager = CryptoManager(small_folder, client)
    with pytest.raises(MissingExtraError, match="pip install"):
        manager.forecast([Spoiled(MissingExtraError("pip install it"))], progress=False)


def test_what_concerns_a_coin_is_told_of_it(client: Client, small_folder: Path):
    manager = CryptoManager(small_folder, client)
    result = manager.forecast([Spoiled(BrokenSeriesError("odd")), "naive"], progress=False)
    assert (result.failures["exception"] == "BrokenSeriesError").all()
    assert len(result.failures) == 12
    assert result.get_df()["model"].unique().tolist() == ["naive"]


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(own_cluster: Cluster, small_folder: Path):
    lstm = create_model("lstm", window=8, units=(24, 24), epochs=20)
    for _ in range(2):
        own_cluster.add_worker("--no-nanny")
    with Client(own_cluster.address) as client:
        client.wait_for_workers(2)
        manager = CryptoManager(small_folder, client)
        whole = manager.forecast([lstm, "linear"], 3, progress=False)

        killed: list[int] = []

        def kill_one(_: int) -> None:
            if not killed:
                killed.append(own_cluster.workers[0].pid)
                own_cluster.workers[0].send_signal(signal.SIGKILL)

        hurt = manager.forecast([lstm, "linear"], 3, progress=False, on_done=kill_one)
        assert killed
        own_cluster.workers[0].wait(10)
        deadline = time.monotonic() + 30
        while len(client.scheduler_info()["workers"]) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(client.scheduler_info()["workers"]) == 1
    pd.testing.assert_frame_equal(whole.get_df(), hurt.get_df(), check_exact=True)
    pd.testing.assert_frame_equal(whole.failures, hurt.failures)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real price history is not there")
def test_the_real_history_by_the_linear_model(client: Client):
    manager = CryptoManager(REAL_DATA, client)
    result = manager.forecast(["naive", "linear"], progress=False)
    assert len(result) == 100 * 2 * 10
    assert result.failures.empty
    assert result.tasks.groupby("model")["rows"].sum().tolist() == [80_553, 80_553]


def test_workers_write_a_folder_that_holds_the_same_forecasts(
    client: Client, small_folder: Path, tmp_path: Path
):
    loader = CryptoLoader(small_folder, 4)
    manager = CryptoManager(loader, client)
    here = manager.forecast(ALL, 5, progress=False)
    there = manager.forecast(ALL, 5, out=tmp_path / "out", progress=False)
    assert len(there) == len(here)
    assert len(there.files) == 12
    joined = sort_forecasts([there.get_ddf().compute()], ALL)
    pd.testing.assert_frame_equal(joined, here.get_df(), check_exact=True)
    pd.testing.assert_frame_equal(there.failures, here.failures)
    assert there.tasks["write"].gt(0).all()
    with pytest.raises(
        InputError, match="holds a forecast of other coins or models; name another folder"
    ):
        manager.forecast(["naive"], 5, out=tmp_path / "out", progress=False)
    again = manager.forecast(["naive"], 5, out=tmp_path / "out", overwrite=True, progress=False)
    assert len(again.files) == 4


def test_a_folder_of_something_else_is_left_alone(client: Client, small_folder: Path):
    manager = CryptoManager(small_folder, client)
    before = sorted(small_folder.iterdir())
    with pytest.raises(InputError, match="something other than forecasts"):
        manager.forecast(["naive"], out=small_folder, progress=False)
    assert sorted(small_folder.iterdir()) == before


def test_forecasts_are_not_left_on_the_workers_and_written_at_once(client, small_folder, tmp_path):
    with pytest.raises(OptionError, match="not both"):
        CryptoManager(small_folder, client).forecast(as_dask=True, out=tmp_path / "out")


@pytest.mark.parametrize("option", ["refit", "calibrate", "warmup"])
def test_an_option_that_would_do_nothing_is_refused(small_folder: Path, option: str) -> None:
    with pytest.raises(OptionError, match=f"{option} 150: says how intervals are made; give"):
        forecast(small_folder, ["naive"], 2, **{option: 150})
