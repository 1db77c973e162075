"""Options of commands: those that specs declare, and what users type for them."""

import inspect
import re
from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import attrs
import pytest
import typer
from typer.testing import CliRunner

from cryptodask import runs
from cryptodask.cli import backtest, forecast, tune
from cryptodask.cli.app import app
from cryptodask.cli.options import (
    ClusterOptions,
    OutputOptions,
    SearchOutput,
    check_apart,
    check_file,
    with_options,
)
from cryptodask.cli.options.cluster import read_resources, read_workers
from cryptodask.cli.options.fields import parameters_of, typed
from cryptodask.cli.options.specs import make_models, read_search, split_names
from cryptodask.errors import CryptoDaskError, OptionError
from cryptodask.models.explained import explain_model
from cryptodask.prices.names import CoinNames
from cryptodask.runs.fields import option
from cryptodask.runs.model_spec import ModelSpec
from cryptodask.runs.spec import BacktestSpec, ForecastSpec, RunSpec, SearchSpec

COMMANDS = {"forecast": ForecastSpec, "backtest": BacktestSpec, "tune": SearchSpec}
MODULES = {"forecast": forecast, "backtest": backtest, "tune": tune}

TYPED_ELSEWHERE = {"source": "an argument", "search": "--search", "options": "--option"}
"""Fields that are not options by themselves."""

Call = dict[str, Any]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Call]:
    """What a command asks to be executed, by name."""

    def read(command: str, *words: object) -> Call:
        call: Call = {}

        def execute(*values: Any, **more: Any) -> None:
            call.update(zip(("spec", "view", "cluster", "output"), values, strict=True), **more)

        monkeypatch.setattr(MODULES[command], "execute", execute)
        result = CliRunner().invoke(app, [command, *map(str, words)])
        if isinstance(result.exception, CryptoDaskError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return call

    return read


def options_of(command: Callable[..., None]) -> dict[str, Parameter]:
    return dict(inspect.signature(command).parameters)


def test_commands_have_an_option_for_each_field_of_their_spec_with_its_default() -> None:
    for name, kind in COMMANDS.items():
        options = options_of(getattr(MODULES[name], name))
        for field in attrs.fields(kind):
            if field.name in TYPED_ELSEWHERE:
                continue
            default = options[field.name].default
            known = {field.default, str(field.default)}
            assert (default[0] if isinstance(default, list) else default) in known


@pytest.mark.parametrize(
    ("function", "kind"),
    [("forecast", ForecastSpec), ("backtest", BacktestSpec), ("tune", SearchSpec)],
)
def test_functions_have_a_parameter_for_each_field_of_their_spec_with_its_default(
    function: str, kind: type[RunSpec]
) -> None:
    parameters = inspect.signature(getattr(runs, function)).parameters
    fields = {field for field in attrs.fields_dict(kind) if field not in ("source", "partitions")}
    how = {"source", "out", "overwrite", "client", "workers", "progress", "on_done"}
    assert set(parameters) - ({"as_dask"} if function == "forecast" else set()) == fields | how
    needed: Call = {"search": {"ridge": {"alpha": [1]}}} if function == "tune" else {}
    defaults = {name: parameters[name].default for name in fields if name not in needed}
    assert kind(**defaults, **needed) == kind(**needed)


def test_the_three_commands_share_the_options_of_runs_of_clusters_and_of_output() -> None:
    shared = [
        name
        for kind in (RunSpec, ClusterOptions, OutputOptions)
        for name in attrs.fields_dict(kind)
        if name not in TYPED_ELSEWHERE
    ]
    for name in [*shared, "option", "profile"]:
        variants = [options_of(getattr(MODULES[command], command))[name] for command in COMMANDS]
        assert all(option.default == variants[0].default for option in variants)
        if name not in ("refit", "out"):  # whose help is more exact
            helps = {get_args(option.annotation)[1].help for option in variants}
            assert len(helps) == 1


def test_the_options_of_commands_are_known_by_these_names() -> None:
    for name, more in {
        "forecast": {"model", "option", "intervals", "no-intervals", "calibrate", "warmup", "plot",
                     "plot-coin", "report"},
        "backtest": {"model", "option", "origins", "step", "intervals", "no-intervals",
                     "calibrate", "warmup", "scores", "page"},
        "tune": {"model", "option", "search", "random", "origins", "step", "splits"},
    }.items():  # fmt: skip
        text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
        shown = set(re.findall(r"(?<=[│ ])--([a-z-]+)", "\n".join(
            line[:40] for line in text.splitlines() if line.startswith("│"))))  # fmt: skip
        assert shown == more | {
            "horizon", "coins", "from", "to", "gaps", "gap-limit", "window", "refit", "seed",
            "timeout", "partitions", "scheduler", "tls", "workers", "resources", "out",
            "overwrite", "profile", "help",
        }  # fmt: skip


def test_what_is_not_typed_has_the_defaults_of_the_spec(call: Callable[..., Call]) -> None:
    source = {"source": "prices"}
    assert call("forecast", "prices")["spec"] == ForecastSpec(**source)
    assert call("backtest", "prices")["spec"] == BacktestSpec(**source)
    search = {"ridge": {"alpha": ["1", "10"]}}
    given = call("tune", "prices", "--model", "ridge", "--search", "ridge.alpha=1,10")
    assert given["spec"] == SearchSpec(**source, search=search, options={"ridge": {}})
    assert (given["cluster"], given["output"]) == (ClusterOptions(), SearchOutput())


def test_what_is_typed_is_in_the_spec(call: Callable[..., Call]) -> None:
    words = ["--horizon", 3, "--coins", "Acoin,Bcoin", "--coins", "Ccoin", "--from", "2020-01-02",
             "--to", "2021-01-02", "--gaps", "fill", "--gap-limit", 2, "--window", 50, "--refit",
             4, "--seed", 5, "--timeout", 6.5, "--partitions", 7]  # fmt: skip
    same: dict[str, Any] = {
        "source": "prices", "horizon": 3, "coins": ("Acoin,Bcoin", "Ccoin"),
        "from_date": "2020-01-02", "to_date": "2021-01-02", "gaps": "fill", "gap_limit": 2,
        "window": 50, "refit": 4, "seed": 5, "timeout": 6.5, "partitions": 7,
    }  # fmt: skip
    bounds = ["--intervals", "--calibrate", 2, "--warmup", 20]
    models = ["--model", "ridge", "--option", "ridge.alpha=2"]
    ridge = ModelSpec("ridge", {"lags": 10, "alpha": 2.0})
    assert call("forecast", "prices", *words, *bounds, *models)["spec"] == ForecastSpec(
        **same, intervals=True, calibrate=2, warmup=20, models=[ridge]
    )
    assert call("backtest", "prices", *words, *models, "--origins", 3, "--no-intervals")[
        "spec"
    ] == BacktestSpec(**same, intervals=False, models=[ridge], origins=3)
    days = "2020-05-01, 2020-06-01"
    assert call("tune", "prices", *words, *models, "--search", "ridge.lags=2,3", "--origins", days,
                "--random", 1, "--step", 8, "--splits", 2)["spec"] == SearchSpec(
        **same, search={"ridge": {"lags": ["2", "3"]}}, options={"ridge": {"alpha": "2"}},
        origins=("2020-05-01", "2020-06-01"), random=1, step=8, splits=2,
    )  # fmt: skip


def test_clusters_are_typed_once_for_all_commands(call: Callable[..., Call]) -> None:
    words = ["--scheduler", "tcp://host:1", "--workers", "0:8", "--resources", "GPU=1",
             "--resources", "memory=2.5", "--tls", "keys"]  # fmt: skip
    search = ["--model", "ridge", "--search", "ridge.alpha=1"]
    for command, more in {"forecast": [], "backtest": [], "tune": search}.items():
        cluster = call(command, "prices", *words, *more)["cluster"]
        assert (cluster.scheduler, cluster.tls) == ("tcp://host:1", Path("keys"))
        assert cluster.workers == (0, 8)
        assert cluster.resources == {"GPU": 1, "memory": 2.5}


def test_out_is_a_folder_for_workers_or_a_file(call: Callable[..., Call], tmp_path: Path) -> None:
    search = ["--model", "ridge", "--search", "ridge.alpha=1"]
    for command, more, ending in (
        ("forecast", [], ".csv"), ("backtest", [], ".parquet"), ("tune", search, ".json"),
    ):  # fmt: skip
        file = tmp_path / f"result{ending}"
        for place, folder in ((tmp_path / "out", True), (file, False)):
            output = call(command, "prices", *more, "--out", place, "--overwrite")["output"]
            assert (output.folder, output.file) == ((place, None) if folder else (None, place))
            assert output.overwrite
    both = call("tune", "prices", *search, "--folder", tmp_path / "a.b", "--out", file)
    assert (both["folder"], both["output"].file) == (tmp_path / "a.b", file)
    with pytest.raises(OptionError, match="is a folder; give one of them"):
        call("tune", "prices", *search, "--folder", tmp_path / "a", "--out", tmp_path / "b")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("forecast --warmup 90", "--warmup 90: says how intervals are made; add --intervals"),
        ("forecast --calibrate 5", "--calibrate 5: says how intervals are made; add --intervals"),
        ("forecast --refit 1", "--refit 1: says how intervals are made; add --intervals"),
        ("backtest --no-intervals --warmup 9", "--warmup 9: says how intervals are made; add"),
        ("forecast --horizon 0", "horizon: must be at least 1"),
        ("backtest --timeout 0", "timeout: must be more than 0 seconds"),
        ("tune --model ridge --search ridge.alpha=1 --window many", "window: must be 'expanding'"),
        ("forecast --model arima", "no such model; models: random, naive, drift, "),
        ("forecast --option lstm.epochs=3", "as MODEL.OPTION=VALUE, of a --model that is run"),
        ("forecast --workers many", "--workers many: write a number, or the fewest and the most"),
        ("backtest --resources GPU", "--resources GPU: write it as NAME=AMOUNT, such as GPU=1"),
        ("backtest --out f.json", "--out f.json: must end in .parquet or .csv or be a folder"),
        (
            "tune --model ridge --search ridge.alpha=1 --out f.parquet",
            "must end in .json or .csv or be a folder",
        ),
        ("forecast --out no/such/f.csv", "folder no/such does not exist; make it first"),
        ("tune", "--model: name the model to search the options of"),
        ("tune --model ridge --model ridge", "--model ridge: is given twice; its --search may"),
        ("forecast --model ridge --option ridge.alias=x", "ridge: has no option 'alias'; its"),
        ("forecast --model ridge --option ridge.name=x", "ridge: has no option 'name'; its"),
        ("backtest --model ridge --model ridge", "--model: ridge given twice; give each model"),
    ],
)
def test_what_makes_no_sense_is_refused_before_prices_are_opened(
    call: Callable[..., Call], words: str, message: str
) -> None:
    command, *rest = words.split()
    with pytest.raises(CryptoDaskError, match=re.escape(message)):
        call(command, "nowhere", *rest)


def test_coins_are_divided_at_commas_but_for_those_that_have_one_in_their_name() -> None:
    known = CoinNames(["Acoin", "Bcoin", "Coin, the"], {})
    assert split_names(("Coin, the", "Acoin, Bcoin"), known) == ("Coin, the", "Acoin", "Bcoin")


def test_an_option_given_twice_with_other_values_is_refused() -> None:
    [model] = make_models(["ridge"], ["ridge.lags=4", "ridge.lags=4"])
    assert model.lags == 4
    with pytest.raises(OptionError, match=re.escape("'ridge.lags=5': ridge.lags is '4' already")):
        make_models(["ridge"], ["ridge.lags=4", "ridge.lags=5"])


def test_own_models_are_named_as_their_options_and_aliases_have_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_named.py").write_text(
        "from sklearn.linear_model import Ridge\n\n"
        "class Shrunk(Ridge):\n    pass\n\nreg = Shrunk()\n\n"
        "def f(prices, horizon, x=1.0):\n    return [x * prices[-1]] * horizon\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    for text in ("reg.lags=4", "my_named:reg.lags=4"):
        with pytest.raises(OptionError, match=re.escape("(naive, Shrunk for my_named:reg)")):
            make_models(["naive", "my_named:reg"], [text])
    with pytest.raises(OptionError, match=re.escape("--model Shrunk2=my_named:reg,")):
        make_models(["my_named:reg", "my_named:reg"], [])
    svr = "sklearn:sklearn.svm.SVR"
    with pytest.raises(OptionError, match=re.escape(f"--model SVR2={svr},")):
        make_models([svr, svr], [])
    specs = tuple(ModelSpec.of(model) for model in make_models(["my_named:reg"], []) * 2)
    with pytest.raises(OptionError, match=re.escape("--model Shrunk2=my_named:reg,")):
        ForecastSpec(source="nowhere", models=specs, horizon=2)
    assert explain_model("my_named:reg")["options_as"] == "Shrunk"
    for form, label in (("my_named:f", "f"), ("a=my_named:f", "a")):
        with pytest.raises(OptionError, match=f"{label} x: is nan, .* --option {label}.x=NUMBER"):
            make_models([form], [f"{label}.x=nan"])
    with pytest.raises(OptionError, match="Shrunk alpha: is nan"):
        make_models(["my_named:reg"], ["Shrunk.alpha=NaN"])


def test_an_option_of_a_model_with_dots_in_its_name_reaches_it() -> None:
    name = "sklearn:sklearn.linear_model.HuberRegressor"
    [model] = make_models([name], [f"{name}.alpha=0.5", f"{name}.lags=4"])
    assert (model.lags, model.params) == (4, (("alpha", 0.5),))


def test_values_to_search_are_divided_at_commas_or_else_at_bars() -> None:
    texts = ["lstm.units=50,100|32,32", "lstm.epochs=1, 2", "ridge.alpha=1e-3,1",
             "lstm.loss=mae"]  # fmt: skip
    assert read_search({"lstm": "lstm", "ridge": "ridge"}, texts) == {
        "lstm": {"units": ["50,100", "32,32"], "epochs": ["1", "2"], "loss": ["mae"]},
        "ridge": {"alpha": ["1e-3", "1"]},
    }


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["lstm.epochs=1,2"], "--search 'lstm.epochs=1,2': write it as MODEL.OPTION=VALUES"),
        (["ridge.alpha"], "write it as MODEL.OPTION=VALUES, of a --model that is run"),
        (["ridge.alpha=1", "ridge.alpha=2"], "ridge.alpha is given twice"),
        (["ridge.alpha=1,,2"], "a value is empty"),
        (["ridge.alpha="], "a value is empty"),
    ],
)
def test_values_to_search_that_make_no_sense_are_told(texts: list[str], told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        read_search({"ridge": "ridge"}, texts)


def test_workers_and_resources_are_read() -> None:
    assert (read_workers(None), read_workers("3"), read_workers("0:8")) == (None, 3, (0, 8))
    assert read_resources(["GPU=1", "memory = 2"]) == {"GPU": 1, "memory": 2}
    for text in ("GPU=0", "GPU=-1", "GPU=x", "=1", "GPU=nan"):
        with pytest.raises(OptionError, match="NAME=AMOUNT"):
            read_resources([text])


# The decorator itself.


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (int, int),
        (bool, bool),
        (float | None, float | None),
        (Path | None, Path | None),
        (tuple[str, ...] | None, list[str] | None),
        (tuple[ModelSpec, ...], list[str]),
        (Literal["a", "b"], str),
        (int | Literal["all"], str),
        (int | tuple[str, ...] | None, str | None),
    ],
)
def test_users_type_plain_values_lists_of_texts_or_a_text(kind: Any, expected: Any) -> None:
    assert typed(kind) == expected


@attrs.frozen(kw_only=True)
class Base:
    size: int = option(3, "How big. [small]")
    secret: int = option(4, "No option.", flag="")


@attrs.frozen(kw_only=True)
class Shape(Base):
    sides: tuple[str, ...] = option("a", "Names.", flag="--side", converter=tuple)
    old: str | None = option(None, "Another.")


def test_a_command_gets_instances_of_the_classes_and_users_see_their_fields() -> None:
    single = typer.Typer()
    calls = []

    @single.command()
    @with_options
    def draw(name: Annotated[str, typer.Argument()], shape: Shape, fast: bool = True) -> None:
        """Draw a shape."""
        calls.append((name, shape, fast))

    runner = CliRunner()
    assert runner.invoke(single, ["x", "--side", "u", "--side", "v", "--size", "5"]).exit_code == 0
    assert runner.invoke(single, ["x", "--old", "o", "--no-fast"]).exit_code == 0
    assert calls == [
        ("x", Shape(size=5, sides=("u", "v")), True), ("x", Shape(old="o"), False),
    ]  # fmt: skip
    text = runner.invoke(single, ["--help"], env={"COLUMNS": "120"}).output
    assert "Draw a shape." in text
    assert re.search(r"--side .* Names\. \[default: a\]", text)
    assert re.search(r"--size .* How big\. \[small\] \[default: 3\]", text)
    assert "secret" not in text
    names = [parameter.name for parameter in parameters_of(Shape)]
    assert names == ["sides", "old", "size"]


# Where results are written.


def test_a_file_of_the_prices_is_not_written_over(tmp_path: Path) -> None:
    prices = tmp_path / "prices"
    prices.mkdir()
    file = prices / "Bitcoin.csv"
    check_apart({"SOURCE": prices, "--out": file})
    file.write_text("Date,Close")
    with pytest.raises(OptionError, match="a file of the folder that SOURCE names"):
        check_apart({"SOURCE": prices, "--out": file})


@pytest.mark.parametrize(
    ("name", "says"),
    [("file", "is a file, and a folder is written"), ("folder.csv", "is a folder, and a file is"),
     ("x\udcff", "not UTF-8")],
)  # fmt: skip
def test_a_place_that_can_not_be_written_is_told_before_the_work(
    name: str, says: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OptionError, match=says):
        check_file("--out", tmp_path / name, (".csv", ""))
