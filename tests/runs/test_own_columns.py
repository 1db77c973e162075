"""Runs of models that read columns of a user's own: the same from every source."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

from cryptodask import CryptoLoader, CryptoManager, backtest
from cryptodask.errors import OptionError
from cryptodask.evaluate.lookahead import check_lookahead
from cryptodask.models import Model, create_model
from cryptodask.prices import ReadOptions, import_prices
from cryptodask.prices.sources import Prices
from cryptodask.records import FloatArray, Panel
from cryptodask.runs import Session, run_spec
from cryptodask.runs.version_spec import PredictSpec, TrainSpec
from cryptodask.testing import check_model

FEATURES = "'column:The Signal:1-2' column_difference:'The Signal':2 ahead:moon:1-2 static:kind=L1"
POOLED = create_model("pooled_linear", features=FEATURES, normalise="window:10", ahead=2)
SINGLE = create_model("ridge_features", features="'column:The Signal' ahead:moon:1 lag:1")
DAYS, ORIGINS = 70, [np.datetime64("2024-02-20"), np.datetime64("2024-03-01")]


def frame_of(coins: int = 4) -> pd.DataFrame:
    """Coins whose last two rows have a calendar and no close yet."""
    rng = np.random.default_rng(1)
    frames = []
    for number in range(coins):
        closes = 50 * np.exp(rng.normal(0, 0.03, DAYS).cumsum())
        rows = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=DAYS + 2)})
        rows["close"] = [*closes, np.nan, np.nan]
        rows["The Signal"] = rng.normal(size=DAYS + 2)
        rows["moon"] = np.arange(DAYS + 2) % 7 == 0
        frames.append(rows.assign(coin=f"Coin {number}", kind=["L1", "DeFi"][number % 2]))
    return pd.concat(frames, ignore_index=True)


def test_forecasts_are_the_same_of_frame_table_and_files_however_packed(
    client: Client, tmp_path: Path
) -> None:
    frame = frame_of()
    options = ReadOptions(further=("The Signal", "moon"), facts=("kind",))
    table = import_prices(frame, tmp_path / "table", options=options)
    folder = tmp_path / "files"
    folder.mkdir()
    for coin, rows in frame.groupby("coin"):
        rows.to_csv(folder / f"{coin}.csv", index=False)
    sources = [frame, table.path, folder]
    results = []
    for source, n in zip(sources, (1, 3, 2), strict=True):
        manager = CryptoManager(CryptoLoader(source, n), client)
        done = manager.forecast([POOLED, SINGLE], 2, progress=False)
        assert done.failures.empty
        results.append(done.get_df())
    assert len(results[0]) == 4 * 2 * 2
    for result in results[1:]:
        pd.testing.assert_frame_equal(result, results[0])


def test_values_after_a_date_change_no_forecast_as_of_it(client: Client) -> None:
    frame = frame_of()
    other, late = frame.copy(), frame["date"] > ORIGINS[-1]
    other.loc[late, "The Signal"] = -100.0
    # What is known ahead is seen two days ahead, and no farther.
    other.loc[frame["date"] > ORIGINS[-1] + np.timedelta64(2, "D"), "moon"] = True
    cut = frame[~late | frame["close"].isna() | (frame["date"] <= "2024-03-03")]
    results = []
    for source in (frame, other, cut):
        done = backtest(
            CryptoManager(source, client), [POOLED, SINGLE], 2, origins=ORIGINS, calibrate=0,
            progress=False,
        )  # fmt: skip
        assert done.failures.empty
        results.append(done.get_df())
    for result in results[1:]:
        np.testing.assert_array_equal(result["forecast"], results[0]["forecast"])


def test_a_version_forecasts_by_its_columns_and_refuses_prices_without(
    client: Client, tmp_path: Path
) -> None:
    frame = frame_of()
    session = Session(frame, client)
    expected = CryptoManager(frame, client).forecast([POOLED], 2, progress=False).get_df()
    spec = TrainSpec(models=[POOLED], horizon=2)
    run_spec(spec, session, models=[POOLED], out=tmp_path / "version", progress=False)
    spec = PredictSpec(versions=(str(tmp_path / "version"),), labels=("pooled_linear",), horizon=2)
    result = run_spec(spec, session, progress=False).get_df()
    np.testing.assert_array_equal(result["forecast"], expected["forecast"])
    without = Session(frame.drop(columns="moon"), client)
    with pytest.raises(OptionError, match=r"^column 'moon': pandas DataFrame has no such column"):
        run_spec(spec, without, progress=False)


def test_a_date_without_a_value_is_named(client: Client) -> None:
    frame = frame_of().astype({"moon": "float64"})
    frame.loc[(frame["coin"] == "Coin 1") & (frame["date"] == "2024-03-12"), "moon"] = np.nan
    done = CryptoManager(frame, client).forecast([POOLED], 2, progress=False)
    [failure] = done.failures.to_dict("records")
    assert failure["coin"] == "Coin 1"
    assert (
        "ahead:moon:2 is not known: the column 'moon' has no value on 2024-03-12"
        in (failure["message"])
    )


@pytest.mark.parametrize("model", [POOLED, SINGLE], ids=lambda model: model.name)
def test_models_with_columns_keep_every_rule(model: object) -> None:
    assert check_lookahead(model, horizon=2) > 0
    check_model(model, horizon=2)


def test_numbers_that_would_count_as_others_are_refused(client: Client) -> None:
    frame = frame_of().assign(large=4_000.0, launched=2015)
    for text, scale in (("column:large", "none"), ("static:launched", "window")):
        model = create_model("pooled_linear", features=text, normalise=scale, ahead=1)
        with pytest.raises(OptionError, match=r"is (4000|2015) in a row, and .* up to 1,024"):
            CryptoManager(frame, client).forecast([model], 1, progress=False)
    model = create_model("pooled_linear", features="column:large", normalise="window:10", ahead=1)
    assert CryptoManager(frame, client).forecast([model], 1, progress=False).failures.empty


@pytest.mark.parametrize(
    ("name", "features", "why"),
    [
        ("ridge_features", "static:kind=L1", "is the same on all days of a coin"),
        ("lstm", "column:x", "is not known of the bars ahead"),
        ("lstm", "ahead:x:1", "is not known of the bars ahead"),
    ],
)
def test_what_a_model_can_not_use_is_refused(name: str, features: str, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        create_model(name, features=features)


def sources_of(frame: pd.DataFrame, folder: Path) -> list[Prices]:
    """The same prices as frame, table and files."""
    options = ReadOptions(further=("The Signal", "moon"), facts=("kind",))
    files = folder / "files"
    files.mkdir()
    for coin, rows in frame.groupby("coin"):
        rows.to_csv(files / f"{coin}.csv", index=False)
    return [frame, import_prices(frame, folder / "table", options=options).path, files]


def test_a_text_that_no_coin_has_is_refused_with_those_there_are(
    client: Client, tmp_path: Path
) -> None:
    model = create_model("pooled_linear", features="lag:1 static:kind=Defi", ahead=1)
    for source in sources_of(frame_of(), tmp_path):
        manager = CryptoManager(source, client)
        for run in (
            lambda m: m.forecast([model], 1, progress=False),
            lambda m: m.backtest([model], 1, origins=ORIGINS, calibrate=0, progress=False),
        ):
            with pytest.raises(OptionError, match=r"'Defi', .*texts there: 'DeFi', 'L1'; write"):
                run(manager)


def test_a_backtest_says_of_a_column_that_nobody_has_ahead_that_it_may_not_be_known(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = frame_of()
    frame.loc[frame["close"].isna(), "The Signal"] = np.nan
    text = "lag:1 ahead:moon:1 ahead:'The Signal':1"
    model = create_model("pooled_linear", features=text, normalise="window:10", ahead=1)
    for source in sources_of(frame, tmp_path):
        caplog.clear()
        manager = CryptoManager(source, client)
        manager.backtest([model], 1, origins=ORIGINS, calibrate=0, progress=False)
        [told] = [r.getMessage() for r in caplog.records if "last close" in r.getMessage()]
        assert told.startswith("ahead:The Signal: no coin has a value after its last close")


def test_a_text_that_other_coins_have_is_one(client: Client) -> None:
    """As in a group of a pipeline's coins."""
    manager = CryptoManager(frame_of(), client)
    model = create_model("pooled_linear", features="lag:1 static:kind=DeFi", ahead=1)
    assert manager.forecast([model], 1, coins="Coin 0", progress=False).failures.empty


def test_a_version_whose_text_is_gone_says_so(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = create_model("pooled_linear", features="lag:1 static:kind=DeFi", ahead=1)
    frame = frame_of()
    spec = TrainSpec(models=[model], horizon=1)
    out = tmp_path / "version"
    run_spec(spec, Session(frame, client), models=[model], out=out, progress=False)
    predict = PredictSpec(versions=(str(out),), labels=("pooled_linear",), horizon=1)
    others = Session(frame.assign(kind="L2"), client)
    with caplog.at_level("WARNING"):
        assert len(run_spec(predict, others, progress=False).get_df()) == 4
    assert "static:kind=DeFi: no coin has the text 'DeFi'" in caplog.text


def test_a_fact_that_is_no_number_is_refused(client: Client) -> None:
    model = create_model("pooled_linear", features="lag:1 static:kind", ahead=1)
    with pytest.raises(OptionError, match=r"no coin has a number, .*write 'static:kind=TEXT'"):
        CryptoManager(frame_of(), client).forecast([model], 1, progress=False)


@pytest.mark.parametrize("feature", ["column:kind", "ahead:kind:1"])
def test_a_column_of_texts_is_named_with_one_of_them(
    feature: str, client: Client, tmp_path: Path
) -> None:
    model = create_model("pooled_linear", features=f"lag:1 {feature}", ahead=1)
    frame, table, files = sources_of(frame_of(), tmp_path)
    for source, where in ((frame, "pandas DataFrame, Coin 0"), (files, "Coin 0.csv, Coin 0")):
        with pytest.raises(
            OptionError, match=rf"^column 'kind': is text, as 'L1' of {where}, line"
        ):
            CryptoManager(source, client).forecast([model], 1, progress=False)
    with pytest.raises(OptionError, match=r"was imported as a fact; write static:kind"):
        CryptoManager(table, client).forecast([model], 1, progress=False)
    with pytest.raises(OptionError, match=r"^column 'kind': is text, as 'L1'.*--fact"):
        import_prices(files, tmp_path / "other", options=ReadOptions(further=("kind",)))


def test_a_column_whose_numbers_come_later_is_one_of_numbers(tmp_path: Path) -> None:
    frame = frame_of(1).astype({"The Signal": "object"})
    frame.loc[:40, "The Signal"] = "not yet"
    frame.to_csv(tmp_path / "prices.csv", index=False)
    rows = CryptoLoader(tmp_path / "prices.csv").get_df(columns=["The Signal"])
    assert rows["The Signal"].isna().sum() == 41


def test_own_columns_are_returned_where_they_are_asked_for(tmp_path: Path) -> None:
    frame = frame_of()
    for source in sources_of(frame, tmp_path):
        loader = CryptoLoader(source)
        assert "moon" not in loader.get_df()
        rows = loader.get_df(["Coin 1", "Coin 2"], 3, columns=["moon", "static:kind"])
        assert list(rows.columns[-2:]) == ["moon", "kind"]
        wanted = frame.dropna(subset="close").groupby("coin").tail(3).set_index("coin")
        wanted = wanted.loc[["Coin 1", "Coin 2"]]
        np.testing.assert_array_equal(rows["moon"], wanted["moon"].astype(float))
        assert rows["kind"].tolist() == wanted["kind"].tolist()
        assert loader.get_df(columns=["moon"])["moon"].notna().all()
    assert CryptoLoader(tmp_path / "table").get_df(columns=["kind"])["kind"].nunique() == 2
    with pytest.raises(OptionError, match="no such column"):
        CryptoLoader(frame).get_df(columns=["nothing"])


def test_what_members_read_is_read_for_the_model_that_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an installed package, whose models may be members and may have columns by default."""
    entry = EntryPoint("signalled", f"{__name__}:Signalled", "cryptodask.models")
    monkeypatch.setattr("cryptodask.models.installed.entry_points", lambda **_: [entry])
    for name in ("ensemble", "auto"):
        assert create_model(name, members="signalled,drift").columns == ("column:The Signal",)


@dataclass(frozen=True)
class Signalled(Model):
    """The last close; it reads a column by default."""

    name = "signalled"
    columns = ("column:The Signal",)

    def min_length(self, horizon: int) -> int:
        return 1

    def forecast(self, panel: Panel, horizon: int, seed: int) -> FloatArray:
        return np.repeat(panel.values[panel.indptr[1:] - 1][:, None], horizon, axis=1)
