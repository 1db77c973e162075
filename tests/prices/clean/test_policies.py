import pandas as pd
import pytest

from cryptodask.errors import InputError, OptionError, PolicyError
from cryptodask.prices.clean.findings import (
    ACTIONS,
    FINDING_KINDS,
    empty_findings,
    file_finding,
    findings,
    join_findings,
)
from cryptodask.prices.clean.policies import action_of, check_policies, refuse, settle
from tests.prices.conftest import rows, told

CHOSEN = [kind for kind, k in FINDING_KINDS.items() if k.actions]
TOLD_ONLY = [kind for kind, k in FINDING_KINDS.items() if not k.actions]
PAIRS = [(kind, action) for kind in CHOSEN for action in FINDING_KINDS[kind].actions]
REPAIRED = [
    kind for kind in CHOSEN if any(a.startswith("repair") for a in FINDING_KINDS[kind].actions)
]


def test_every_action_of_a_kind_is_known_and_one_of_them_is_to_fail() -> None:
    assert {action for _, action in PAIRS} == set(ACTIONS)
    for kind in CHOSEN:
        actions = FINDING_KINDS[kind].actions
        assert len(set(actions)) == len(actions)
        assert "fail" in actions[1:]
        assert len([a for a in actions if a.startswith("repair")]) <= 1


def test_by_default_nothing_is_invented() -> None:
    defaults = {FINDING_KINDS[kind].default for kind in CHOSEN}
    # An order, a day as written and a value that is none: of these no price is made up.
    assert defaults == {"keep", "drop", "repair:sort", "repair:missing", "repair:day"}
    assert {FINDING_KINDS[kind].default for kind in TOLD_ONLY} == {""}


def test_what_costs_prices_that_a_user_meant_is_left_out_by_default_and_nothing_else_is() -> None:
    for kind in CHOSEN:
        harmless = {"not_a_price_file", "repeated_row", "blank_row", "unended_bar"}
        drops = FINDING_KINDS[kind].actions[0] == "drop"
        assert drops == (FINDING_KINDS[kind].loses or kind in harmless)


@pytest.mark.parametrize("kind", ["oddity", "", "Gap", *TOLD_ONLY])
def test_a_kind_for_which_nothing_can_be_chosen_is_refused_with_those_for_which_it_can(
    kind: str,
) -> None:
    with pytest.raises(OptionError) as caught:
        check_policies({kind: "drop"})
    assert str(caught.value) == (
        f"policy: no kind of finding {kind!r} to choose for; known: {', '.join(CHOSEN)}"
    )


@pytest.mark.parametrize(
    ("kind", "action", "known"),
    [
        ("gap", "drop", "keep, fail"),
        ("gap", "repair", "keep, fail"),
        ("stale_run", "repair", "keep, drop, fail"),
        ("high_under_low", "repair:widen", "keep, repair:swap, drop, fail"),
        ("conflicting_row", "", "drop, repair:last, fail"),
        ("zero_volume", "Drop", "keep, repair:missing, drop, fail"),
    ],
)
def test_an_action_that_a_kind_has_not_is_refused_with_those_that_it_has(
    kind: str, action: str, known: str
) -> None:
    with pytest.raises(OptionError) as caught:
        check_policies({kind: action})
    assert str(caught.value) == f"policy {kind}: must be one of {known}, got {action!r}"


@pytest.mark.parametrize("kind", REPAIRED)
def test_to_repair_is_the_one_way_to_repair_a_kind(kind: str) -> None:
    [way] = [action for action in FINDING_KINDS[kind].actions if action.startswith("repair")]
    assert check_policies({kind: "repair"}) == check_policies({kind: way})
    assert action_of(check_policies({kind: "repair"}), kind) == way


@pytest.mark.parametrize(("kind", "action"), PAIRS)
def test_what_is_chosen_is_done_and_remembered_where_it_is_not_the_default(
    kind: str, action: str
) -> None:
    kept = check_policies({kind: action})
    assert kept == ({} if action == FINDING_KINDS[kind].actions[0] else {kind: action})
    assert action_of(kept, kind) == action
    assert check_policies(kept) == kept


def test_policies_are_remembered_in_the_order_of_kinds() -> None:
    given = {"stale_run": "drop", "zero_volume": "repair", "gap": "keep", "unreadable_row": "fail"}
    assert list(check_policies(given).items()) == [
        ("unreadable_row", "fail"), ("stale_run", "drop"), ("zero_volume", "repair:missing"),
    ]  # fmt: skip
    assert check_policies({}) == {}


def test_without_a_policy_the_default_is_done_and_to_a_kind_that_only_tells_nothing_is() -> None:
    assert [action_of({}, kind) for kind in ("gap", "future_date", "layout")] == [
        "keep", "drop", "",
    ]  # fmt: skip


DAYS = rows(("A", "A.csv", 3, 2, 1.0), ("A", "A.csv", 4, 3, 1.0), ("B", "B.csv", 2, 1, 1.0))
FOUND = join_findings(
    [
        findings("zero_volume", DAYS, value="0"),
        findings("stale_run", DAYS[:1], value="5", message="equal closes from here on"),
        file_finding("unreadable_file", "C", "C.csv", "is empty; get the file again"),
        file_finding("layout", "A", "A.csv", "listing"),
    ]
)


def test_findings_are_told_with_what_was_done() -> None:
    before = FOUND.copy()
    settled = settle(FOUND, check_policies({"zero_volume": "repair"}))
    assert told(settled, "kind", "coin", "action") == [
        ("layout", "A", ""), ("zero_volume", "A", "repair:missing"), ("stale_run", "A", "keep"),
        ("zero_volume", "A", "repair:missing"), ("zero_volume", "B", "repair:missing"),
        ("unreadable_file", "C", "drop"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(settled.drop(columns="action"), before.drop(columns="action"))
    pd.testing.assert_series_equal(settled.dtypes, before.dtypes)
    pd.testing.assert_frame_equal(FOUND, before)


def test_where_there_is_nothing_to_settle_findings_stay_as_they_are() -> None:
    pd.testing.assert_frame_equal(settle(FOUND, {}), FOUND)
    pd.testing.assert_frame_equal(settle(FOUND, {"gap": "fail"}), FOUND)
    nothing = empty_findings()
    pd.testing.assert_frame_equal(settle(nothing, {"zero_volume": "fail"}), nothing)


REFUSED = {
    "zero_volume": (
        "A.csv, line 3, A, 2017-01-02: zero_volume: '0': a volume of zero, and the policy for it "
        "is to fail; 3 found in these rows: correct the file, or choose another policy: keep, "
        "repair:missing, drop"
    ),
    "stale_run": (
        "A.csv, line 3, A, 2017-01-02: stale_run: '5' (equal closes from here on): five or more "
        "equal closes in a row, and the policy for it is to fail; 1 found in these rows: correct "
        "the file, or choose another policy: keep, drop"
    ),
    "unreadable_file": (
        "C.csv, C: unreadable_file (is empty; get the file again): a file that can't be read, and "
        "the policy for it is to fail; 1 found in these rows: correct the file, or choose another "
        "policy: drop"
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_policy_to_fail_names_place_kind_value_number_and_what_else_can_be_chosen(
    kind: str,
) -> None:
    for check in (settle, refuse):
        with pytest.raises(PolicyError) as caught:
            check(FOUND, {kind: "fail"})
        assert str(caught.value) == REFUSED[kind]
    assert issubclass(PolicyError, InputError)


def test_of_several_kinds_that_are_to_fail_the_first_row_is_named() -> None:
    with pytest.raises(PolicyError, match=r"^A\.csv, line 3, A, 2017-01-02: zero_volume"):
        refuse(FOUND, {"unreadable_file": "fail", "zero_volume": "fail"})
    refuse(FOUND, {"gap": "fail", "stale_run": "drop"})
