"""Keys from the environment, and addresses that may be sent orders."""

import pytest

from cryptodask.errors import InputError, OptionError
from cryptodask.trading.brokers.access import KEY, SECRET, Keys, check_place, keys_of

SANDBOX = {"private": "https://sandbox.example/api/v3", "public": "https://sandbox.example/api/v3"}


def test_keys_come_from_the_environment_and_are_in_no_text() -> None:
    keys = keys_of({KEY: " abc ", SECRET: "def\n"})
    assert (keys.key, keys.secret) == ("abc", "def")
    assert (str(keys), repr(keys)) == ("Keys()", "Keys()")
    assert keys == Keys("abc", "def")


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, f"{KEY} and {SECRET}: not set"),
        ({KEY: "abc", SECRET: " "}, f"trade: {SECRET}: not set"),
    ],
)
def test_a_key_that_is_missing_is_named(environment: dict[str, str], missing: str) -> None:
    with pytest.raises(InputError, match=missing) as failed:
        keys_of(environment)
    assert "abc" not in str(failed.value)


@pytest.mark.parametrize(
    ("url", "live", "why"),
    [
        ("http://127.0.0.1:80", False, None),
        ("http://localhost/x", True, None),
        ("https://sandbox.example", False, None),
        ("https://other.example", True, None),
        ("https://other.example", False, "neither on this machine nor of the sandbox"),
        ("http://sandbox.example", False, "must be https"),
        ("http://other.example", True, "must be https"),
        ("http://127.0.0.1.other.example", True, "must be https"),
    ],
)
def test_orders_go_to_this_machine_the_sandbox_or_where_live_says(
    url: str, live: bool, why: str | None
) -> None:
    if why is None:
        check_place(url, SANDBOX, live=live)
        return
    with pytest.raises(OptionError, match=why):
        check_place(url, SANDBOX, live=live)
