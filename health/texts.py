"""What commands on routers and VMs print, read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from health.facts import ChildSa, IkeSa, Ping, Route, Tunnel

#: starts a part of a script's output
PART = "=== "


class Garbled(ValueError):
    """A machine's answer is not as its commands write it."""


def parts_of(text: str) -> dict[str, str]:
    """A script's output by the names of its parts."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(PART):
            lines = found.setdefault(line.removeprefix(PART), [])
        else:
            lines.append(line)
    return {name: "\n".join(inside).strip() for name, inside in found.items()}


def below(parts: Mapping[str, str], kind: str) -> dict[str, str]:
    """The parts that are called `kind NAME`, by these names."""
    return {name.removeprefix(f"{kind} "): text for name, text in parts.items() if name.startswith(f"{kind} ")}


def ping(text: str) -> Ping:
    """The summary of iputils' ping."""
    counts = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    if counts is None:  # it could not even send
        return Ping(0, 0)
    mean = re.search(r"^rtt min/avg/max/mdev = [\d.]+/([\d.]+)/", text, re.MULTILINE)
    return Ping(int(counts[1]), int(counts[2]), float(mean[1]) if mean else None)


class Foreign(BaseModel):
    """Data of somebody else's program, of which only what is needed here is read."""

    model_config = ConfigDict(extra="ignore")


class Raw(Foreign):
    """Of swanctl, whose names have hyphens."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))


class RawChild(Raw):
    state: str
    spi_in: str = ""
    spi_out: str = ""
    packets_in: int = 0
    packets_out: int = 0
    install_time: int | None = None
    rekey_time: int | None = None


class RawIke(Raw):
    state: str
    established: int | None = None
    rekey_time: int | None = None
    child_sas: dict[str, RawChild] = {}


def associations(text: str) -> tuple[IkeSa, ...]:
    """`swanctl --list-sas --raw`: an event for each IKE association, by its connection's name."""
    events = re.findall(r"^list-sa event (\{.*\})\s*$", text, re.MULTILINE)
    try:
        return tuple(
            ike_sa(name, RawIke.model_validate(about)) for event in events for name, about in raw(event).items()
        )
    except ValidationError as error:
        raise Garbled(f"swanctl --list-sas: {error}") from error


def ike_sa(name: str, about: RawIke) -> IkeSa:
    children = tuple(
        ChildSa(
            age=child.install_time,
            rekey_in=child.rekey_time,
            **child.model_dump(exclude={"install_time", "rekey_time"}),
        )
        for child in about.child_sas.values()
    )
    return IkeSa(name=name, state=about.state, age=about.established, rekey_in=about.rekey_time, children=children)


def raw(text: str) -> dict[str, Any]:
    """swanctl's raw form as nested dicts: `name {…}`, `key=value`, `key=[value …]`."""
    stack: list[dict[str, Any]] = [{}]
    name = ""
    for token in re.findall(r"[{}]|\[[^\]]*\]|[^\s{}\[\]]+", text):
        match token:
            case "{":
                stack.append(stack[-1].setdefault(name, {}))
            case "}":
                stack.pop()
            case _ if token.startswith("["):
                stack[-1][name] = token[1:-1].split()
            case _:
                name, _, value = token.partition("=")
                if value:
                    stack[-1][name] = value
    found: dict[str, Any] = stack[0][""]
    return found


class Address(Foreign):
    local: str = ""
    prefixlen: int = 0


class Outer(Foreign):
    local: str = ""
    remote: str = ""


class LinkInfo(Foreign):
    info_data: Outer = Outer()


class Interface(Foreign):
    ifname: str
    flags: list[str]
    mtu: int
    linkinfo: LinkInfo = LinkInfo()
    addr_info: list[Address] = []


def tunnels(text: str) -> dict[str, Tunnel]:
    """`ip -j -d address show`: the interfaces with an outer address, by name."""
    try:
        interfaces = TypeAdapter(list[Interface]).validate_json(text or "[]")
    except ValidationError as error:
        raise Garbled(f"ip address: {error}") from error
    return {
        one.ifname: Tunnel(
            up="UP" in one.flags,
            mtu=one.mtu,
            addresses=tuple(f"{address.local}/{address.prefixlen}" for address in one.addr_info),
            local=one.linkinfo.info_data.local,
            remote=one.linkinfo.info_data.remote,
        )
        for one in interfaces
        if one.ifname
    }


class Way(Foreign):
    gateway: str = ""
    dev: str = ""


def route(text: str) -> Route:
    """`ip -j route get`, or what it writes when there is no route."""
    try:
        (way,) = TypeAdapter(list[Way]).validate_json(text)
    except ValueError:
        return Route("", text.partition("\n")[0] or "no route")
    return Route(way.gateway, "" if way.gateway else f"no gateway, on {way.dev}")
