"""What a site's machine is told of the internal DNS: knotd's files, and the scripts that put them to use. Pure."""

from __future__ import annotations

import shlex
from pathlib import Path

import jinja2

from components.dns_plan import RESOLVER_OPTIONS, DnsPlan, ServerPlan

#: the TSIG key's name; its secret stands in the configuration as "$TSIG_KEY"
KEY_NAME = "vpn-connect"
#: seconds: refresh and retry (a lost NOTIFY is made up for soon), expire (a secondary outlives its primary for weeks),
#: and how long it is remembered that there is no such name
SOA_TIMERS = "20 10 4838400 30"
DIRECTORY = Path(__file__).parent.parent / "dns_templates"
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(DIRECTORY),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def files(dns: DnsPlan, server: ServerPlan) -> dict[str, list[str]]:
    """The lines of each file, by its path."""
    configuration = TEMPLATES.get_template("knot.conf.j2").render(
        dns=dns, server=server, primary=server.site == dns.primary, key_name=KEY_NAME
    )
    return {
        "/etc/knot/knot.conf": configuration.splitlines(),
        "/etc/knot/vpn-connect.records": [str(record) for record in dns.records],
    }


def prepare(dns: DnsPlan, server: ServerPlan) -> str:
    """A script for root's bash that has to end well before the files are written."""
    return script(dns, server, "functions", "prepare")


def apply(dns: DnsPlan, server: ServerPlan) -> str:
    """A script for root's bash that makes knotd and the zones what the files say."""
    return script(dns, server, "functions", "load", "primary" if server.site == dns.primary else "secondary")


def remove(dns: DnsPlan, server: ServerPlan) -> str:
    """A script for root's bash that ends the service, its zones included; the packages stay."""
    return script(dns, server, "remove")


def script(dns: DnsPlan, server: ServerPlan, *parts: str) -> str:
    """Scripts one after another, with the site's values as variables before them."""
    values = {
        "site": server.site,
        "name": server.name,
        "address": str(server.address),
        "upstream": str(server.upstream or ""),
        "primary": dns.primary,
        "domain": dns.domain,
        "default_ttl": str(dns.ttl),
        "soa_timers": SOA_TIMERS,
        "resolver_options": RESOLVER_OPTIONS,
    }
    peers = " ".join(f"[{site}]={address}" for site, address in server.peers.items())
    head = [
        *(f"{variable}={shlex.quote(value)}" for variable, value in values.items()),
        f"declare -A peers=({peers})",
        f"zones=({' '.join(dns.zones)})",
    ]
    return "\n".join([*head, "", *((DIRECTORY / f"{part}.sh").read_text() for part in parts)])
