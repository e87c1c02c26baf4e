"""The state of links and what was found, for people (tables) and for programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from health.causes import ABOUT
from health.facts import End, Link, Linux, Router, Stack
from health.findings import Facts, Finding


@dataclass(frozen=True, kw_only=True)
class EndState:
    """A link as one end's router and Linux VM see it. Times in seconds; None for what is not known."""

    site: str
    peer: str
    #: whether the peer's router answers in the tunnel
    tunnel: bool | None = None
    ike: str | None = None
    esp: str | None = None
    ike_age: int | None = None
    ike_rekey_in: int | None = None
    esp_age: int | None = None
    esp_rekey_in: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    #: of pings between the Linux VMs, from 0 to 1, and their mean round-trip time in milliseconds
    loss: float | None = None
    milliseconds: float | None = None
    #: bytes of the largest packet that arrived
    mtu: int | None = None


@dataclass(frozen=True, kw_only=True)
class LinkState:
    """A link, from both ends."""

    name: str
    state: Literal["up", "degraded", "down", "lost", "unknown"]
    ends: tuple[EndState, EndState]
    #: bytes that a packet between the LANs should be able to have
    mtu: int
    #: the names of the causes that concern it
    causes: tuple[str, ...] = ()


def link_states(stack: Stack, facts: Facts, found: Sequence[Finding]) -> tuple[LinkState, ...]:
    """Every link's state. "degraded": packets pass both ways, but something was found."""
    return tuple(link_state(link, stack, facts, found) for link in stack.links)


def link_state(link: Link, stack: Stack, facts: Facts, found: Sequence[Finding]) -> LinkState:
    first, second = (end_state(link, end, peer, facts) for end, peer in link.directions())
    own = [one for one in found if one.link == link.name or (not one.link and one.site in link.sites)]
    passed = [end.loss < 1 for end in (first, second) if end.loss is not None]
    state: Literal["up", "degraded", "down", "lost", "unknown"]
    if stack.is_lost(link):
        state = "lost"
    elif False in passed or False in (first.tunnel, second.tunnel):
        state = "down"
    elif not passed:
        state = "unknown"
    else:
        state = "degraded" if own else "up"
    causes = tuple(dict.fromkeys(one.cause.value for one in own))
    return LinkState(name=link.name, state=state, ends=(first, second), mtu=link.mtu, causes=causes)


def end_state(link: Link, end: End, peer: End, facts: Facts) -> EndState:
    about = facts.get(end.site)
    router = about.router if about and isinstance(about.router, Router) else None
    linux = about.linux if about and isinstance(about.linux, Linux) else None
    ike = router.association(link.name) if router else None
    children = router.children(link.name) if router else []
    esp = children[0] if children else None
    tunnel = router.tunnel_pings.get(link.name) if router else None
    ping = linux.pings.get(peer.site) if linux else None
    return EndState(
        site=end.site,
        peer=peer.site,
        tunnel=tunnel.received > 0 if tunnel else None,
        ike=(ike.state if ike else "none") if router else None,
        esp=(esp.state if esp else "none") if router else None,
        ike_age=ike.age if ike else None,
        ike_rekey_in=ike.rekey_in if ike else None,
        esp_age=esp.age if esp else None,
        esp_rekey_in=esp.rekey_in if esp else None,
        packets_in=sum(child.packets_in for child in children) if esp else None,
        packets_out=sum(child.packets_out for child in children) if esp else None,
        loss=ping.loss if ping else None,
        milliseconds=ping.milliseconds if ping else None,
        mtu=linux.mtus.get(peer.site) if linux else None,
    )


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a run found."""

    stack: Stack
    facts: Facts
    links: tuple[LinkState, ...]
    found: tuple[Finding, ...]

    def dns(self) -> dict[str, dict[str, int | None]]:
        """By the name server's site and the asking one: the serial, None without an answer."""
        servers = self.stack.dns.servers if self.stack.dns else {}
        asking = {name: one.linux.names for name, one in self.facts.items() if isinstance(one.linux, Linux)}
        return {
            server: {
                site: answer.serial if (answer := names[server]) else None
                for site, names in asking.items()
                if server in names
            }
            for server in servers
        }

    def json(self) -> str:
        findings = [
            {
                "cause": one.cause.value,
                "place": one.place,
                "site": one.site,
                "link": one.link,
                "explanation": ABOUT[one.cause].explanation,
                "fix": ABOUT[one.cause].fix,
                "evidence": one.evidence,
            }
            for one in self.found
        ]
        lost = [name for name, site in self.stack.sites.items() if site.lost]
        links = [asdict(link) for link in self.links]
        return json.dumps({"links": links, "dns": self.dns(), "lost": lost, "findings": findings}, indent=1)

    def print(self, console: Console) -> None:
        """Tables, then the causes."""
        console.print(Group(*self.parts()))

    def parts(self) -> Iterator[RenderableType]:
        yield self.link_table()
        if self.stack.dns:
            yield self.dns_table()
        for name in (name for name, site in self.stack.sites.items() if site.lost):
            yield f"[yellow]{name} is lost:[/yellow] nothing was asked there"
        for one in self.found:
            yield f"\n[red]✗ {one.cause.value}[/red]  [bold]{one.place}[/bold]"
            about = ABOUT[one.cause]
            lines = (about.explanation, *one.evidence, f"→ {about.fix}")
            yield Padding("\n".join(map(escape, lines)), (0, 0, 0, 4))
        if not self.found:
            yield "[green]✓ all is well[/green]"

    def link_table(self) -> Table:
        """A row for each end of each link."""
        table = Table(
            "link", "state", "tunnel", "IKE age,\nrekeys in", "ESP age,\nrekeys in", "packets\nout, in", "pings", "MTU"
        )
        for link in self.links:
            colour = {"up": "green", "down": "red", "degraded": "yellow"}.get(link.state, "dim")
            for number, end in enumerate(link.ends):
                tunnel = None if end.tunnel is None else "up" if end.tunnel else "[red]down[/red]"
                table.add_row(
                    f"{end.site} → {end.peer}",
                    f"[{colour}]{link.state}[/{colour}]" if number == 0 else "",
                    shown(tunnel),
                    association(end.ike, "ESTABLISHED", end.ike_age, end.ike_rekey_in),
                    association(end.esp, "INSTALLED", end.esp_age, end.esp_rekey_in),
                    shown(None if end.packets_out is None else f"{end.packets_out}, {end.packets_in}"),
                    pings(end),
                    shown(None if end.mtu is None else f"{end.mtu} of {link.mtu}"),
                )
            table.add_section()
        return table

    def dns_table(self) -> Table:
        """The serial that each name server gives each site's Linux VM."""
        assert self.stack.dns
        asking = [name for name, one in self.facts.items() if isinstance(one.linux, Linux)]
        table = Table(f"DNS {self.stack.dns.domain}", *(f"asked from {name}" for name in asking))
        for server, serials in self.dns().items():
            role = " (primary)" if server == self.stack.dns.primary else ""
            table.add_row(f"{server}{role}", *(shown(serials.get(name), none="no answer") for name in asking))
        return table


def shown(value: object, none: str = "-") -> str:
    return none if value is None else str(value)


def association(state: str | None, good: str, age: int | None, rekey_in: int | None) -> str:
    """The age of what is as it should be, and when it gets new keys; else its state."""
    if state != good:
        return shown(state)
    return duration(age) + (f", {duration(rekey_in)}" if rekey_in is not None else "")


def pings(end: EndState) -> str:
    """Loss and round-trip time between the Linux VMs."""
    if end.loss is None:
        return "-"
    lost = f"{end.loss:.0%} lost"
    return lost if end.milliseconds is None else f"{lost}, {end.milliseconds:.1f} ms"


def duration(seconds: int | None) -> str:
    """Seconds, minutes or hours."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
