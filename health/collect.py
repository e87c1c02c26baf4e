"""Asks a stack's routers and Linux VMs, all at once: one script on each, over SSH."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import asyncssh
import jinja2

from health import cloud, questions, texts
from health.facts import Cloud, Link, Linux, Router, Silent, SiteFacts, Stack
from health.stack import CloudNames, Known
from vyos_provider.lines import SECRET_LEAVES, parse
from vyos_provider.ssh import SHOW, Access, RouterError, WrongHostKey, connect, run

#: seconds in which a machine has to let this one in, and for its script
PATIENCE, SCRIPT_SECONDS = 5.0, 40.0
#: bytes between which the largest packet is searched: every host takes 576, and Ethernet carries no more than 1500
SMALLEST, LARGEST = 576, 1500
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "scripts"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


async def machines(known: Known) -> dict[str, SiteFacts]:
    """What the machines of all sites say, but for those that are lost."""
    sites = [name for name, site in known.stack.sites.items() if not site.lost]
    asked = await asyncio.gather(*(at_site(name, known) for name in sites))
    return dict(zip(sites, asked, strict=True))


async def clouds(names: Mapping[str, CloudNames], sites: Iterable[str]) -> dict[str, Cloud]:
    """What the clouds of some sites say."""
    chosen = sorted(set(sites) & names.keys())
    asked = await asyncio.gather(*(asyncio.to_thread(cloud.ask, names[name]) for name in chosen))
    return dict(zip(chosen, asked, strict=True))


async def at_site(name: str, known: Known) -> SiteFacts:
    """The router, and by a jump over it the Linux VM at the same time."""
    links = [link for link in known.stack.links if name in link.sites and not known.stack.is_lost(link)]
    jump = await dial(known.routers[name])
    if isinstance(jump, Silent):
        return SiteFacts(router=jump)
    try:
        router, linux = await asyncio.gather(
            ask_router(jump, router_script(name, links, known.stack)), ask_linux(jump, name, links, known)
        )
        return SiteFacts(router=router, linux=linux)
    finally:
        jump.close()


async def dial(
    access: Access, tunnel: asyncssh.SSHClientConnection | None = None
) -> asyncssh.SSHClientConnection | Silent:
    try:
        return await connect(access, PATIENCE, tunnel)
    except WrongHostKey as error:
        return Silent("host key", str(error))
    except RouterError as error:
        return Silent("unreachable", str(error))


async def answer(connection: asyncssh.SSHClientConnection, script: str) -> tuple[dict[str, str], float] | Silent:
    """The parts of a script's output, and the seconds that the machine's clock is ahead."""
    asked = time.time()
    try:
        async with asyncio.timeout(SCRIPT_SECONDS):
            parts = texts.parts_of(await run(connection, script))
        # the script begins with the clock: it was read a login's time after it was asked for, at most
        return parts, float(parts["clock"]) - asked
    except TimeoutError:
        return Silent("unreachable", f"it has not answered for {SCRIPT_SECONDS:.0f} s")
    except (RouterError, KeyError, ValueError) as error:
        return Silent("unreachable", f"its answer is not to be understood: {error}")


async def ask_router(connection: asyncssh.SSHClientConnection, script: str) -> Router | Silent:
    said = await answer(connection, script)
    if isinstance(said, Silent):
        return said
    try:
        return router_facts(*said)
    except texts.Garbled as error:
        return Silent("unreachable", f"its answer is not to be understood: {error}")


def router_facts(parts: Mapping[str, str], clock: float) -> Router:
    return Router(
        clock=clock,
        lines=parse(parts.get("lines", "")),
        key_digests={line.split()[0]: line.split()[1] for line in parts.get("digests", "").splitlines()},
        tunnels=texts.tunnels(parts.get("tunnels", "")),
        associations=texts.associations(parts.get("associations", "")),
        log=tuple(parts.get("log", "").splitlines()),
        tunnel_pings={name: texts.ping(text) for name, text in texts.below(parts, "tunnel").items()},
        lan_pings={name: texts.ping(text) for name, text in texts.below(parts, "lan").items()},
    )


async def ask_linux(jump: asyncssh.SSHClientConnection, name: str, links: list[Link], known: Known) -> Linux | Silent:
    connection = await dial(known.linux[name], jump)
    if isinstance(connection, Silent):
        return connection
    try:
        said = await answer(connection, linux_script(name, links, known.stack))
        return said if isinstance(said, Silent) else linux_facts(*said)
    finally:
        connection.close()


def linux_facts(parts: Mapping[str, str], clock: float) -> Linux:
    return Linux(
        clock=clock,
        routes={site: texts.route(text) for site, text in texts.below(parts, "route").items()},
        pings={site: texts.ping(text) for site, text in texts.below(parts, "ping").items()},
        mtus={site: int(text or 0) for site, text in texts.below(parts, "mtu").items()},
        names={site: questions.answer(text) for site, text in texts.below(parts, "names").items()},
    )


def router_script(name: str, links: list[Link], stack: Stack) -> str:
    """Pings in each tunnel, and from LAN to LAN through IPsec."""
    pings = []
    for link in links:
        for end, peer in link.directions():
            if end.site == name:
                addresses = {
                    "tunnel": (end.tunnel_address, peer.tunnel_address),
                    "lan": (stack.sites[name].vyos_lan_address, stack.sites[peer.site].vyos_lan_address),
                }
                pings += [
                    {"kind": kind, "link": link.name, "name": f"{kind}-{link.name}", "source": source, "target": target}
                    for kind, (source, target) in addresses.items()
                ]
    return script("router.sh.j2", pings=pings, show=SHOW, secret_leaves=sorted(SECRET_LEAVES))


def linux_script(name: str, links: list[Link], stack: Stack) -> str:
    """Pings to the VMs at the links' other ends, and a question for every name server that is not lost."""
    peers = [
        {"site": site, "address": stack.sites[site].linux_address, "mtu": link.mtu}
        for link in links
        for site in link.sites - {name}
    ]
    dns = stack.dns
    servers = [
        {"site": site, "address": address, "queries": questions.escaped_queries(dns)}
        for site, address in (dns.servers.items() if dns else ())
        if dns and not stack.sites[site].lost
    ]
    files = [(kind, peer["site"]) for peer in peers for kind in ("ping", "mtu")]
    files += [("names", server["site"]) for server in servers]
    return script("linux.sh.j2", peers=peers, servers=servers, files=files, smallest=SMALLEST, largest=LARGEST)


def script(name: str, **values: Any) -> str:
    return TEMPLATES.get_template(name).render(part=texts.PART, **values)
