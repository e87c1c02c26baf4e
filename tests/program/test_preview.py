"""Placeholders in a preview."""

from __future__ import annotations

import asyncio

import pulumi

from components.preview import known_or


async def value_of(output: pulumi.Output[str]) -> tuple[object, bool, bool]:
    return await output.future(), await output.is_known(), await output.is_secret()


def make(value: object, known: bool, secret: bool = False) -> pulumi.Output[str]:
    async def result(what: object) -> object:
        return what

    return pulumi.Output(set(), result(value), result(known), result(secret))  # type: ignore[arg-type]


def test_a_known_value_stays() -> None:
    async def check() -> None:
        assert await value_of(known_or(make("203.0.113.51", True), "floating IP of osaka")) == (
            "203.0.113.51",
            True,
            False,
        )

    asyncio.run(check())


def test_an_unknown_value_is_named_and_counts_as_known() -> None:
    async def check() -> None:
        assert await value_of(known_or(make(None, False), "floating IP of osaka")) == (
            "<floating IP of osaka>",
            True,
            False,
        )

    asyncio.run(check())


def test_a_secret_stays_secret() -> None:
    async def check() -> None:
        assert (await value_of(known_or(make("x", True, secret=True), "x")))[2]

    asyncio.run(check())
