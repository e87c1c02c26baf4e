"""The words of messages."""

from __future__ import annotations

import pytest

from components.errors import ConfigurationError, choices, refuse, shown


def test_nothing_is_refused_without_a_fault() -> None:
    refuse(())
    with pytest.raises(ConfigurationError, match=r"\Aone\ntwo\Z"):
        refuse(iter(("one", "two")))


@pytest.mark.parametrize(
    ("value", "known", "text"),
    [
        ("tokio", ("tokyo", "osaka"), "there are osaka, tokyo (did you mean tokyo?)"),
        ("x", ("tokyo", "osaka"), "there are osaka, tokyo"),
        ("x", [f"n{n:02}" for n in range(22)], f"there are {', '.join(f'n{n:02}' for n in range(20))} and 2 more"),
        ("n99", [f"n{n}" for n in range(10, 31)], f"there are {', '.join(f'n{n}' for n in range(10, 30))} and 1 more (did you mean n29?)"),
    ],
)  # fmt: skip
def test_choices(value: str, known: list[str], text: str) -> None:
    assert choices(value, known) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a'b\n", '"a\'b\\n"'),
        (True, "True"),
        ([1, {"password": "x"}], "[1, an object with password in it]"),
        ({}, "an object with nothing in it"),
        ("x" * 79, "'" + "x" * 79 + "…"),
    ],
)
def test_shown(value: object, text: str) -> None:
    assert shown(value) == text
