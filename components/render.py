"""What a router is told: configuration lines, the scripts that apply and remove them, and the checks. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

import jinja2

from components.plan import EndPlan, LinkPlan, SitePlan

CHECK_LIMIT = 90  # seconds for each check; a VM may still be booting
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "vyos_templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, kw_only=True)
class Underlay:
    """What only the clouds know of an end, as text: in a preview a placeholder may stand for each."""

    #: VyOS's own address on eth0, and the peer's floating IP
    source_address: str
    remote: str
    #: bytes; see components.mtu
    tunnel_mtu: str
    mss: str


def base_lines(site: SitePlan, lan_mtu: str) -> str:
    """A router's own configuration, whatever links it has. `lan_mtu` is in bytes."""
    address = IPv4Interface((site.vyos_lan_address, site.lan.prefixlen))
    return template("base.j2", host_name=host_name(site), site=site.name, lan_address=address, lan_mtu=lan_mtu)


def link_lines(link: LinkPlan, end: EndPlan, underlay: Underlay) -> str:
    """A link's configuration at one end. The pre-shared key stands in it as "$PSK"."""
    return template("link.j2", link=link, end=end, underlay=underlay)


def base_nodes(lines: str) -> tuple[str, ...]:
    """The nodes among `base_lines` that are the program's alone: its firewall rules, not an operator's beside them."""
    return tuple(dict.fromkeys(re.findall(r"^set (firewall ipv4 \w+ filter rule \d+) ", lines, re.MULTILINE)))


def link_nodes(link: LinkPlan, end: EndPlan) -> tuple[str, ...]:
    """The nodes that a link owns at one end: all that `link_lines` sets lies below them."""
    return (
        f"vpn ipsec site-to-site peer {link.name}",
        f"vpn ipsec ike-group {link.name}",
        f"vpn ipsec esp-group {link.name}",
        f"vpn ipsec authentication psk {link.name}",
        *(f"protocols static route {prefix}" for prefix in end.remote_prefixes),
        f"interfaces tunnel {end.interface}",
    )


def apply_script(title: str, owned: Sequence[str], lines: str = "") -> str:
    """A script for the router's shell: in one commit, `owned` nodes go and `lines` come; only what differs changes.

    It reads the pre-shared key, or an empty line, from standard input, prints `committed` or `unchanged`, and ends
    with 1 and VyOS's own words when VyOS refuses.
    """
    return template("apply.sh.j2", title=title, owned=owned, lines=lines.rstrip("\n"))


def router_check(link: LinkPlan, end: EndPlan) -> str:
    """A script for the router's shell that waits for IPIP, IKE and ESP, and fails with the name of what is missing."""
    return template("check_router.sh.j2", link=link, end=end, limit=CHECK_LIMIT)


def lan_check(link: LinkPlan, end: EndPlan, target: str) -> str:
    """A script for the Linux VM's shell that waits for `target`, the other end's, and prints the round-trip time."""
    return template("check_lan.sh.j2", link=link, end=end, target=target, limit=CHECK_LIMIT)


def user_data(site: SitePlan) -> str:
    """cloud-init user data: what makes the router reachable, and safe until its configuration comes.

    VyOS's cloud-init takes `vyos_config_commands` at the first boot
    (https://docs.vyos.io/en/sagitta/automation/cloud-init.html). JSON is YAML as well.
    """
    commands = [
        f"set system host-name '{host_name(site)}'",
        "set interfaces ethernet eth0 address 'dhcp'",
        "set service ssh disable-host-validation",
        "set service ssh disable-password-authentication",
    ]
    return "#cloud-config\n" + json.dumps({"vyos_config_commands": commands}) + "\n"


def host_name(site: SitePlan) -> str:
    return f"{site.name}-vyos"


def template(name: str, **values: object) -> str:
    return TEMPLATES.get_template(name).render(**values)
