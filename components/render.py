"""What a router is told: its configuration lines, its user data, and the scripts that check it. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import jinja2

from components.plan import EndPlan, LinkPlan, SitePlan
from components.user_data import check_user_data

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


#: the node that tells decrypted packets, by VyOS's release
FROM_IPSEC = {"1.4": "match-ipsec", "1.5": "match-ipsec", "rolling": "match-ipsec-in"}
#: the dummy interface that the remote LANs' routes lead to
NOWHERE = "dum999"
#: numbers of firewall rules: each peer's links have these many, from these many times the peer's number on
RULES_OF_A_LINK = 1000


def base_lines(site: SitePlan, lan_mtu: str) -> str:
    """A router's own configuration, whatever links it has. `lan_mtu` is in bytes."""
    return template(
        "base.j2",
        site=site,
        host_name=host_name(site),
        lan_address=IPv4Interface((site.vyos_lan_address, site.lan.prefixlen)),
        lan_mtu=lan_mtu,
        from_ipsec=FROM_IPSEC[site.vyos_version],
        nowhere=NOWHERE,
    )


def link_lines(link: LinkPlan, end: EndPlan, underlay: Underlay, version: str = "1.4") -> str:
    """A link's configuration at one end. The pre-shared key stands in it as "$PSK"."""
    return template(
        "link.j2",
        link=link,
        end=end,
        underlay=underlay,
        rules=link_rules(end),
        from_ipsec=FROM_IPSEC[version],
        nowhere=NOWHERE,
    )


def base_nodes(lines: str) -> list[str]:
    """The nodes among `base_lines` that are the program's alone: its firewall rules, not an operator's beside them."""
    return list(dict.fromkeys(re.findall(r"^set (firewall ipv4 \w+ filter rule \d+) ", lines, re.MULTILINE)))


def link_nodes(link: LinkPlan, end: EndPlan) -> list[str]:
    """The nodes that a link owns at one end: all that `link_lines` sets lies below them."""
    rules = link_rules(end)
    return [
        f"vpn ipsec site-to-site peer {link.name}",
        f"vpn ipsec ike-group {link.name}",
        f"vpn ipsec esp-group {link.name}",
        f"vpn ipsec authentication psk {link.name}",
        *(f"protocols static route {prefix}" for prefix in end.remote_prefixes),
        f"interfaces tunnel {end.interface}",
        f"firewall ipv4 input filter rule {rules.ipip}",
        *(f"firewall ipv4 forward filter rule {number}" for number in (*rules.to_lan, *rules.from_lan)),
    ]


@dataclass(frozen=True)
class LinkRules:
    """The numbers of a link's firewall rules; those of forwarding with their (local, remote) prefixes."""

    ipip: int
    to_lan: dict[int, tuple[IPv4Network, IPv4Network]]
    from_lan: dict[int, tuple[IPv4Network, IPv4Network]]


def link_rules(end: EndPlan) -> LinkRules:
    """From the LAN comes only what is this site's own; what a hub passes on comes out of another tunnel."""
    first = RULES_OF_A_LINK * end.peer_number
    to_lan = [(local, remote) for local in end.local_prefixes for remote in end.remote_prefixes]
    from_lan = [(end.local_prefixes[0], remote) for remote in end.remote_prefixes]
    return LinkRules(first, dict(enumerate(to_lan, first)), dict(enumerate(from_lan, first + RULES_OF_A_LINK // 2)))


def router_check(link: LinkPlan, end: EndPlan) -> str:
    """A script for the router's shell that waits for IPIP, IKE and ESP, and fails with the name of what is missing."""
    return template("check_router.sh.j2", link=link, end=end, limit=CHECK_LIMIT)


def lan_check(link: LinkPlan, end: EndPlan, target: str) -> str:
    """A script for the Linux VM's shell that waits for `target`, the other end's, and prints the round-trip time."""
    return template("check_lan.sh.j2", link=link, end=end, target=target, limit=CHECK_LIMIT)


def renew_keys(link: LinkPlan) -> str:
    """A script for the router's shell that has both ends prove anew that they know the pre-shared key."""
    return template("renew.sh.j2", link=link)


def vyos_user_data(site: SitePlan, lines: str, private_host_key: str | None, public_host_key: str | None) -> str:
    """cloud-init user data for the router: its base configuration, so that it is never open, and its SSH host key.

    VyOS's cloud-init takes `vyos_config_commands` and `write_files` at the first boot
    (https://docs.vyos.io/en/sagitta/automation/cloud-init.html). JSON is YAML as well. ConfigurationError when it is
    larger than a router takes.
    """
    data: dict[str, object] = {
        # else it adds what the cloud says of the ports, like DHCP on eth1
        "vyos_config_options": {"network_config": "disabled"},
        "vyos_config_commands": lines.splitlines(),
    }
    if private_host_key:
        path = "/etc/ssh/ssh_host_ed25519_key"
        data["write_files"] = [
            {"path": path, "owner": "root:root", "permissions": "0600", "content": private_host_key},
            {"path": f"{path}.pub", "owner": "root:root", "permissions": "0644", "content": f"{public_host_key}\n"},
        ]
    text = "#cloud-config\n" + json.dumps(data, indent=1) + "\n"
    check_user_data(site.name, text)
    return text


def linux_user_data(private_host_key: str, public_host_key: str) -> str:
    """cloud-init user data for the Linux VM: its SSH host key
    (https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh).
    """
    keys = {"ed25519_private": private_host_key, "ed25519_public": public_host_key}
    return "#cloud-config\n" + json.dumps({"ssh_keys": keys}) + "\n"


def host_name(site: SitePlan) -> str:
    return f"{site.name}-vyos"


def template(name: str, **values: object) -> str:
    return TEMPLATES.get_template(name).render(**values)
