"""Declarations: what can be read, what is refused and how, and what changes a fingerprint."""

import pickle
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.features.definitions import DEFINITIONS
from cryptodask.features.rows import Rows
from cryptodask.features.space import FeatureSpace
from tests.models.conftest import make_panel

ALL = (
    "lag:1-3 return:5 close mean:7 std:14 min:3 max:3 rsi macd bollinger volume_change "
    "market_cap_change:2 weekday market coin:Bitcoin:1,3 'coin:Bitcoin Cash:2' "
    "column:x:1-2 column_change:x column_difference:x:3 ahead:moon:1-2 static:kind=L1"
)


def test_a_declaration_is_written_out_in_full_and_read_back() -> None:
    space = FeatureSpace.parse(ALL, "scaled", "window")
    assert space.text == (
        "lag:1 lag:2 lag:3 return:5 close:1 mean:7 std:14 min:3 max:3 rsi:14 macd:12,26,9 "
        "bollinger:20 volume_change:1 market_cap_change:2 weekday market:1 coin:Bitcoin:1 "
        "coin:Bitcoin:3 'coin:Bitcoin Cash:2' column:x:1 column:x:2 column_change:x:1 "
        "column_difference:x:3 ahead:moon:1 ahead:moon:2 static:kind=L1"
    )
    assert (space.target.text, space.scaling.text) == ("scaled:30", "window:30")
    again = FeatureSpace.parse(space.text, space.target.text, space.scaling.text)
    assert again == space
    assert hash(again) == hash(space)
    assert pickle.loads(pickle.dumps(space)) == space
    assert space.columns == (
        "volume", "market_cap", "column:x", "ahead:moon:1", "ahead:moon:2", "static:kind=L1",
    )  # fmt: skip
    assert space.coins == ("Bitcoin", "Bitcoin Cash")
    assert [f.name for f in space.crosses] == ["market", "coin", "coin", "coin"]
    assert {f.name for f in space.features} == set(DEFINITIONS)
    assert len(space.names) == len(set(space.names)) == 19 + 2 + 5 + 7
    assert space.history == 34 + 29


def test_a_coins_name_may_have_anything_in_it() -> None:
    for name in ("a b", "a:b", "it's", 'a"b', "a:1", "1-2"):
        space = FeatureSpace.parse(f'"coin:{name}:2"'.replace('a"b', 'a\\"b'))
        assert space.coins == (name,)
        assert FeatureSpace.parse(space.text) == space
    assert FeatureSpace.parse("coin:Bitcoin").text == "coin:Bitcoin:1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "features: none declared"),
        ("lag:1 rsl:14", "'rsl:14', number 2: no such feature; did you mean rsi? features: lag, "),
        ("lag:0", "'lag:0', number 1: '0': must be in 1 to 10000"),
        ("lag:5-1", "'5-1': must be in 1 to 10000, the lower end first"),
        ("lag:1 std:1", "'std:1', number 2: '1': must be in 2 to"),
        ("lag:x", "'x' is neither a number nor a range, as 3 or 1-10"),
        ("lag:", "'' is neither a number"),
        ("lag:1--2", "is neither a number nor a range"),
        ("lag:²", "is neither a number"),
        ("lag:1-3 lag:2", "'lag:2', number 2: lag:2 is there twice"),
        ("macd:12,26", "'macd:12,26', number 1: takes 3 numbers, as macd:12,26,9"),
        ("weekday:1", "weekday takes no number"),
        ("coin", "names no coin; write it as coin:Bitcoin:1"),
        ("coin:Bitcoin:0", "must be in 1 to"),
        ("lag:1-2000", "2000 columns; at most 1000"),
        ("'lag:1", "close every quotation mark"),
    ],
)
def test_what_can_not_be_read_is_refused_by_name_and_place(text: str, told: str) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        FeatureSpace.parse(text)


@pytest.mark.parametrize(
    ("target", "normalise", "told"),
    [
        ("prise", "none", "target: must be one of price, return, log_return, scaled:ROWS"),
        ("price:3", "none", "target: must be one of"),
        ("scaled:1", "none", "target: 'scaled:1': ROWS must be in 2 to 10000"),
        ("scaled:", "none", "target: 'scaled:': ROWS must be"),
        ("price", "windows", "normalise: must be one of none, window:ROWS, coin, global"),
        ("price", "coin:3", "normalise: must be one of"),
    ],
)
def test_targets_and_normalisations_that_there_are_not_are_refused(
    target: str, normalise: str, told: str
) -> None:
    with pytest.raises(OptionError, match=re.escape(told)):
        FeatureSpace.parse("lag:1", target, normalise)


def test_a_fingerprint_tells_every_difference_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = [
        ("lag:1-2 std:5", "scaled", "none"),
        ("lag:2,1 std:5", "scaled", "none"),
        ("std:5 lag:1-2", "scaled", "none"),
        ("lag:1-2 std:6", "scaled", "none"),
        ("lag:1-3 std:5", "scaled", "none"),
        ("lag:1-2 std:5", "scaled:31", "none"),
        ("lag:1-2 std:5", "log_return", "none"),
        ("lag:1-2 std:5", "scaled", "window"),
        ("lag:1-2 std:5", "scaled", "window:31"),
        ("coin:A:1", "scaled", "none"),
        ("coin:B:1", "scaled", "none"),
    ]
    prints = [FeatureSpace.parse(*one).fingerprint for one in declared]
    assert len(set(prints)) == len(prints)
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in prints)
    same = FeatureSpace.parse("  lag:1 lag:2   std:5", "scaled:30", "none")
    assert same.fingerprint == prints[0]
    newer = {**DEFINITIONS, "std": replace(DEFINITIONS["std"], version=2)}
    monkeypatch.setattr("cryptodask.features.space.DEFINITIONS", newer)
    assert same.fingerprint != prints[0]


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    code = (
        "from cryptodask.features.space import FeatureSpace\n"
        f'print(FeatureSpace.parse("""{ALL}""", "scaled", "coin").fingerprint)'
    )
    own = FeatureSpace.parse(ALL, "scaled", "coin").fingerprint
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )
        assert done.stdout.strip() == own
    # What was trained yesterday must be known tomorrow: a change of this is a change of format.
    assert FeatureSpace.parse("lag:1-2 std:5", "scaled", "none").fingerprint == FIXED


FIXED = (
    "400604117c0d26b5a94dadd82189b3cd4f39bd1d82b1b3f857c5819d995c4b92"  # pragma: allowlist secret
)


def test_what_the_panel_has_not_is_named() -> None:
    panel = make_panel([9])
    with pytest.raises(OptionError, match="volume_change:1 needs the column 'volume'"):
        FeatureSpace.parse("lag:1 volume_change").rows(panel)
    with pytest.raises(OptionError, match=r"market:1 depends on other coins.*pooled_linear"):
        FeatureSpace.parse("market").rows(panel)


def test_of_no_coin_there_is_no_row() -> None:
    panel = make_panel([])
    for normalise in ("none", "window", "coin"):
        space = FeatureSpace.parse("lag:1 std:5 rsi macd bollinger weekday", "scaled", normalise)
        rows = space.rows(panel)
        assert isinstance(rows, Rows)
        assert space.compute(rows).shape == (0, len(space.names))
        assert space.target.of(rows, 3).shape == (0, 3)
        assert np.isfinite(space.target.scale(rows)).all()
