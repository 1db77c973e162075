"""Settings of a pipeline: what is declared, and what is refused by its key."""

from pathlib import Path

import pytest

from cryptodask.errors import CryptoDaskError, InputError
from cryptodask.pipeline.day import Day, groups_of
from cryptodask.pipeline.settings import read_settings

PRICES = '[prices]\ntable = "table"\nfolder = "new"\n'
FORECAST = '[forecast]\nmodels = ["naive"]\nhorizon = 3\n'
MONITOR = '[monitor]\nreference = "usual.json"\n'
RULE = '[[rules]]\nname = "rise"\naction = "request"\nweight = 0.1\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "pipeline.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_a_default_and_paths_are_beside_the_file(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, PRICES + FORECAST + RULE))
    assert settings.store == str(tmp_path / "cryptodask.db")
    assert settings.prices.table == str(tmp_path / "table")
    assert settings.rules[0].side == "buy"
    assert settings.forecast.groups == 1


def test_urls_stay_as_they_are(tmp_path: Path) -> None:
    text = f'store = "postgresql://me@host/db"\n{PRICES}{FORECAST}'
    assert read_settings(written(tmp_path, text)).store == "postgresql://me@host/db"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("prices = ", "is not TOML"),
        (PRICES, "forecast: is missing"),
        (f"shop = 1\n{PRICES}{FORECAST}", "'shop': unknown key"),
        (PRICES.replace("folder", "exchange = 'binance'\nfolder") + FORECAST, "either folder or"),
        (PRICES + '[forecast]\nversions = ["lstm"]\n', "forecast: registry: is missing"),
        (PRICES + '[forecast]\nmodels = ["naive"]\n', "forecast: horizon: is missing"),
        (PRICES + FORECAST + "[monitor]\n", "monitor: reference: is missing"),
        (PRICES + FORECAST + MONITOR + "failures = 2.0\n", "failures: must be between 0 and 1"),
        (PRICES + FORECAST + MONITOR + "age = nan\n", "age: must be a finite number"),
        (
            PRICES + FORECAST + MONITOR + 'webhook = "file:///x"\n',
            "monitor: webhook: must be a URL",
        ),
        (PRICES + FORECAST + "intervals = false\n" + MONITOR, "monitor: needs forecast.intervals"),
        (PRICES + FORECAST.replace("3", "0"), "forecast: horizon: must be at least 1, got 0"),
        (PRICES + FORECAST + "groups = -1\n", "forecast: groups: must be at least 0"),
        (PRICES + FORECAST + "[check]\nmost = 2.0\n", "check: most: must be between 0 and 1"),
        (PRICES + FORECAST + RULE + RULE, "two are named 'rise'"),
        (PRICES + FORECAST + RULE.replace("request", "buy"), "rules: 0: action: must be one of"),
        (PRICES + FORECAST + RULE + "min_return = 'x'\n", "rules: 0: min_return"),
        (PRICES + FORECAST + RULE + "min_return = nan\n", "min_return: must be a finite number"),
        (PRICES + FORECAST + RULE + "step = 0\n", "step: must be at least 1, got 0"),
        (PRICES + FORECAST + RULE + "step = 4\n", "rise: step: 4 is beyond forecast.horizon, 3"),
        (PRICES + FORECAST + RULE + "model = 'x'\n", "model: 'x' is none of forecast.models"),
        (PRICES + FORECAST + RULE + "findings = ['x']\n", "'x' is not a kind of finding"),
        (PRICES + FORECAST + "[check]\nrefuse = ['x']\n", "'x' is not a kind of finding"),
        (
            PRICES + FORECAST + RULE + "min_return = 0.2\nmax_return = 0.1\n",
            "min_return: 0.2 is above max_return, 0.1",
        ),
        (PRICES + FORECAST + RULE.replace("0.1", "0.0"), "weight: what buys needs one above 0"),
        (
            PRICES + FORECAST + "intervals = false\n" + RULE + "max_width = 0.1\n",
            "max_width: needs forecast.intervals",
        ),
    ],
)
def test_what_can_not_be_is_refused_by_its_key(tmp_path: Path, text: str, why: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=rf"pipeline\.toml.*{why}"):
        read_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: is missing"):
        read_settings(tmp_path / "none.toml")


@pytest.mark.parametrize("date", ["yesterday", "2026-02-30", "26"])
def test_a_day_is_a_day(tmp_path: Path, date: str) -> None:
    settings = read_settings(written(tmp_path, PRICES + FORECAST))
    with pytest.raises(CryptoDaskError, match="YYYY-MM-DD"):
        Day(settings, date)


def test_a_coin_stays_in_its_group_when_others_come() -> None:
    coins = [f"coin {i}" for i in range(100)]
    few, many = groups_of(coins[:50], 7), groups_of(coins, 7)
    assert sorted(coin for members in many.values() for coin in members) == sorted(coins)
    for name, members in few.items():
        assert set(members) <= set(many[name])
    assert len(groups_of(coins, 0)) == 100
    assert groups_of([], 5) == {}
