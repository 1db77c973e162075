"""Where a run is done: small ones in this process, with the same bits as on workers."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoManager, create_model
from cryptodask.cluster.in_process import InProcess
from cryptodask.models.renamed import rename
from cryptodask.runs import placing
from cryptodask.runs.placing import runs_own_code

MODELS = ["naive", "random", "ridge", "auto", "pooled_linear"]


def started(manager: CryptoManager) -> bool:
    """Return whether a manager has a cluster."""
    return manager._client is not None


def test_a_small_forecast_is_done_here_bit_for_bit_as_by_workers(
    client: Client, small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(placing, "WORTH", 1e9)
    for intervals in (False, True):
        with CryptoManager(small_folder) as here:
            one = here.forecast(MODELS, 3, intervals=intervals, progress=False)
            assert not started(here)
        there = CryptoManager(small_folder, client)
        other = there.forecast(MODELS, 3, intervals=intervals, progress=False)
        pd.testing.assert_frame_equal(one.get_df(), other.get_df(), check_exact=True)
        pd.testing.assert_frame_equal(one.failures, other.failures)
    with CryptoManager(small_folder) as here:
        written = here.forecast(MODELS, 3, intervals=True, progress=False, out=tmp_path / "out")
        assert not started(here)
        pd.testing.assert_frame_equal(written.get_df(), other.get_df(), check_exact=True)


def test_a_small_backtest_and_a_search_are_done_here_bit_for_bit_as_by_workers(
    client: Client, small_folder: Path
):
    there = CryptoManager(small_folder, client)
    with CryptoManager(small_folder) as here:
        one = here.backtest(["drift", "pooled_linear"], 3, origins=3, progress=False)
        other = there.backtest(["drift", "pooled_linear"], 3, origins=3, progress=False)
        pd.testing.assert_frame_equal(one.frame, other.frame, check_exact=True)
        search = {"ridge": {"alpha": [1, 10]}}
        ours = here.tune(search, 3, origins=8, splits=2, progress=False)
        theirs = there.tune(search, 3, origins=8, splits=2, progress=False)
        assert ours.to_json() == theirs.to_json()
        assert not started(here)


def test_what_is_larger_or_foreign_or_has_a_limit_goes_to_workers(
    small_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    with CryptoManager(small_folder, workers=1) as manager:
        manager.forecast(progress=False)
        assert started(manager)
    with CryptoManager(small_folder) as manager:
        monkeypatch.setattr(placing, "WORTH", 0.0)
        lines: list[str] = []
        manager._say = lines.append
        manager.forecast(progress=False)
        assert started(manager)
        assert lines[0].startswith("starting ")


@pytest.mark.parametrize(
    ("model", "is_own"),
    [
        (create_model("naive"), True),
        (create_model("auto"), True),
        (rename(create_model("ridge"), "other"), True),
        (create_model("ensemble", members="naive,sklearn:sklearn.linear_model.Ridge"), False),
        (rename(create_model("sklearn:sklearn.linear_model.Ridge"), "other"), False),
        (create_model("lstm"), False),
        (create_model("pooled_linear"), True),
        (create_model("pooled:sklearn.linear_model.Ridge"), False),
    ],
    ids=str,
)
def test_models_that_run_code_of_others_are_known(model, is_own: bool):
    assert runs_own_code(model) is is_own


def test_a_small_run_of_a_pooled_learner_is_done_by_workers(small_folder: Path):
    with CryptoManager(small_folder, workers=1) as manager:
        model = create_model("pooled:sklearn.linear_model.Ridge", features="lag:1-2")
        forecasts = manager.forecast([model], 2, progress=False)
        assert started(manager)
    assert len(forecasts.get_df())
    assert not forecasts.failures["exception"].isin(["AttributeError"]).any()


def test_a_run_that_was_stopped_is_continued_by_workers(small_folder: Path, tmp_path: Path):
    class StoppedError(Exception):
        pass

    def stop(_: int) -> None:
        raise StoppedError

    out = tmp_path / "out"
    with CryptoManager(small_folder) as manager:
        with pytest.raises(StoppedError):
            manager.forecast(["naive", "drift"], 3, out=out, on_done=stop, progress=False)
        assert not started(manager)
        manager.forecast(["naive", "drift"], 3, out=out, progress=False)
        assert started(manager)


def test_dask_is_not_imported_for_a_small_run(small_folder: Path):
    code = (
        "import sys; from cryptodask import CryptoManager\n"
        f"CryptoManager({str(small_folder)!r}).forecast(['naive', 'auto'], 3, progress=False)\n"
        "assert not {'dask', 'distributed', 'bokeh'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_calls_are_done_by_priority_when_somebody_waits():
    client, done = InProcess(), []
    futures = [client.submit(done.append, i, priority=i) for i in range(3)]
    assert done == []
    client.do_next()
    assert done == [2]
    futures[0].result()
    client.cancel([futures[1]])
    client.do_next()
    assert done == [2, 0]
    broken = client.submit(int, client.submit(str, "x"))
    assert isinstance(broken.exception(), ValueError)
    assert broken.status == "error"
