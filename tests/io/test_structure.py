"""Values from JSON: converted never, refused by the place of what is wrong."""

import json
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptodask.errors import InputError, OptionError
from cryptodask.io.structure import LONGEST, structured


def positive(_: Any, __: Any, value: float) -> None:
    if value <= 0:
        raise OptionError(f"share: must be above 0, got {value}")


@attrs.frozen
class Part:
    name: str
    share: float = attrs.field(default=1.0, validator=positive)


@attrs.frozen
class Box:
    count: int
    sealed: bool
    kind: Literal["big", "small"]
    first: Part
    parts: list[Part]
    sizes: dict[str, int]
    note: str | None


GOOD: dict[str, Any] = {
    "count": 2,
    "sealed": False,
    "kind": "big",
    "first": {"name": "a", "share": 0.5},
    "parts": [{"name": "b", "share": 1.0}, {"name": "c", "share": 2}],
    "sizes": {"b": 3},
    "note": None,
}
BOX = Box(2, False, "big", Part("a", 0.5), [Part("b"), Part("c", 2.0)], {"b": 3}, None)


def changed(**values: Any) -> dict[str, Any]:
    return GOOD | values


def test_a_value_is_made_of_all_its_keys() -> None:
    assert structured(Box, GOOD, "box.json") == BOX


def test_what_was_written_is_read_as_the_same_value() -> None:
    content = json.loads(json.dumps(attrs.asdict(BOX)))
    assert content == GOOD
    assert structured(Box, content, "box.json") == BOX


@given(
    st.builds(
        Box, st.integers(), st.booleans(), st.sampled_from(["big", "small"]),
        st.builds(Part, st.text(), st.floats(0.1, 1e9)),
        st.lists(st.builds(Part, st.text(), st.floats(0.1, 1e9))),
        st.dictionaries(st.text(), st.integers()), st.none() | st.text(),
    )
)  # fmt: skip
def test_any_value_survives_json(box: Box) -> None:
    assert structured(Box, json.loads(json.dumps(attrs.asdict(box))), "box.json") == box


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # Another type than the field's; nothing is converted.
        (changed(count="2"), "box.json: count: must be a whole number, got '2'"),
        (changed(count=2.0), "box.json: count: must be a whole number, got 2.0"),
        (changed(count=True), "box.json: count: must be a whole number, got True"),
        (changed(count=None), "box.json: count: must be a whole number, got None"),
        (changed(sealed=0), "box.json: sealed: must be true or false, got 0"),
        (changed(sealed="no"), "box.json: sealed: must be true or false, got 'no'"),
        (changed(parts={}), "box.json: parts: must be a list, got {}"),
        (changed(parts="bc"), "box.json: parts: must be a list, got 'bc'"),
        (changed(sizes=[]), "box.json: sizes: must be an object with keys, got []"),
        # Keys.
        (changed(colour="red"), "box.json: 'colour': unknown key; known: count, sealed, kind"),
        ({k: v for k, v in GOOD.items() if k != "kind"}, "box.json: kind: is missing"),
        ({k: v for k, v in GOOD.items() if k != "note"}, "box.json: note: is missing"),
        ([], "box.json: must be an object with keys, got []"),
        (None, "box.json: must be an object with keys, got None"),
        ("text", "box.json: must be an object with keys, got 'text'"),
        # Inside another value.
        (changed(first={"name": 1, "share": 1}), "box.json: first: name: must be text, got 1"),
        (changed(first={"share": 1.0}), "box.json: first: name: is missing"),
        (changed(first=3), "box.json: first: must be an object with keys, got 3"),
        (changed(parts=[3]), "box.json: parts: 0: must be an object with keys, got 3"),
        (
            changed(first={"name": "a", "x": 2}),
            "box.json: first: 'x': unknown key; known: name, share",
        ),
        (changed(note=3), "box.json: note: must be text, got 3"),
        (changed(sizes={"b": "3"}), "box.json: sizes: b: must be a whole number, got '3'"),
        (
            changed(parts=[GOOD["first"], {"name": "c", "share": "1"}]),
            "box.json: parts: 1: share: must be a number, got '1'",
        ),
        # What a field refuses by its rule.
        (
            changed(first={"name": "a", "share": -1.0}),
            "box.json: first: share: must be above 0, got -1.0",
        ),
    ],
)
def test_an_error_names_the_place_and_the_rule(content: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        structured(Box, content, "box.json")
    assert str(caught.value).startswith(message)


def test_a_key_inside_may_be_absent_where_its_field_has_a_default() -> None:
    assert structured(Box, changed(first={"name": "a"}), "box.json").first == Part("a")


def test_a_key_at_the_top_may_not() -> None:
    assert structured(Part, {"name": "a", "share": 1.0}, "part.json") == Part("a")
    with pytest.raises(InputError, match=r"^part\.json: share: is missing$"):
        structured(Part, {"name": "a"}, "part.json")


def test_a_long_value_is_shown_by_its_beginning() -> None:
    with pytest.raises(InputError) as caught:
        structured(Box, changed(count="9" * 10 * LONGEST), "box.json")
    message = str(caught.value)
    assert message.endswith("…")
    assert len(message) < 2 * LONGEST
