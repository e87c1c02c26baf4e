"""The configuration nodes that the stand-in knows: a part of VyOS 1.4's, with the same names and the same checks."""

from __future__ import annotations

from typing import NamedTuple

from .validators import (
    Check,
    either,
    ipv4_address,
    ipv4_host,
    ipv4_prefix,
    ipv4_range,
    matches,
    negatable,
    numeric,
    port,
    words,
)


class Node:
    """A node: `children` by name; a tag node's or a leaf's own value is held to `check`."""

    def __init__(self, kind: str, check: Check | None = None, children: dict[str, Node] | None = None) -> None:
        self.kind = kind  # node, tag, leaf, multi (a leaf with several values), valueless
        self.check = check
        self.children = children or {}


def node(**children: Node) -> Node:
    return Node("node", children={name.rstrip("_").replace("_", "-"): child for name, child in children.items()})


def tag(check: Check, **children: Node) -> Node:
    return Node("tag", check, node(**children).children)


def leaf(check: Check) -> Node:
    return Node("leaf", check)


def multi(check: Check) -> Node:
    return Node("multi", check)


def valueless() -> Node:
    return Node("valueless")


text = matches(r"[^'\n]{1,255}")
name = matches(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
fqdn = matches(r"[a-zA-Z0-9][a-zA-Z0-9.-]*")
interface = matches(r"(eth|tun|dum|vti)\d+|lo")
matched_interface = negatable(matches(r"(eth|tun|dum|vti)(\d+|\d?\*)|lo"))  # a trailing * stands for any rest
ADDRESS = either(ipv4_address, ipv4_prefix, ipv4_range)
DH_GROUP = [str(number) for number in (1, 2, 5, *range(14, 33))]
ENCRYPTION = words("aes128", "aes192", "aes256", "aes128gcm128", "aes192gcm128", "aes256gcm128", "aes256gcm64",
                   "aes256gcm96", "chacha20poly1305")
HASH = words("sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac")
PROTOCOL = negatable(either(numeric(0, 255), words("all", "tcp", "udp", "tcp_udp", "icmp", "esp", "ah", "gre", "ipip",
                                                   "ipencap", "ospf", "vrrp", "sctp")))

ICMP_TYPE = words("echo-reply", "destination-unreachable", "source-quench", "redirect", "echo-request",
                  "router-advertisement", "router-solicitation", "time-exceeded", "parameter-problem",
                  "timestamp-request", "timestamp-reply", "info-request", "info-reply", "address-mask-request",
                  "address-mask-reply")


def addressed(address: Check = ipv4_host) -> dict[str, Node]:
    return {"address": multi(address), "description": leaf(text), "mtu": leaf(numeric(68, 16000)),
            "disable": valueless()}


def side() -> Node:
    return node(address=leaf(negatable(ADDRESS)), port=leaf(negatable(port)),
                group=node(address_group=leaf(negatable(name)), network_group=leaf(negatable(name))))


def chain(**more: Node) -> Node:
    """A base chain, whose rules match what every hook can, and more."""
    rule = tag(
        numeric(1, 999999), action=leaf(words("accept", "drop", "reject", "return", "continue")),
        description=leaf(text), disable=valueless(), log=valueless(), protocol=leaf(PROTOCOL),
        source=side(), destination=side(),
        icmp=node(type_name=leaf(ICMP_TYPE), type=leaf(numeric(0, 255)), code=leaf(numeric(0, 255))),
        state=multi(words("established", "invalid", "new", "related")), **more)
    return node(filter=node(default_action=leaf(words("accept", "drop")), default_log=valueless(),
                            description=leaf(text), rule=rule))


INBOUND = {"inbound_interface": node(name=leaf(matched_interface)),
           "ipsec": node(match_ipsec=valueless(), match_none=valueless())}
OUTBOUND = {"outbound_interface": node(name=leaf(matched_interface))}

SCHEMA = node(
    system=node(host_name=leaf(matches(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]")), name_server=multi(ipv4_address)),
    service=node(ssh=node(port=multi(words("22")), disable_password_authentication=valueless(),
                          disable_host_validation=valueless())),
    interfaces=node(
        ethernet=tag(matches(r"eth\d{1,3}"), **addressed(either(ipv4_host, words("dhcp"))),
                     dhcp_options=node(mtu=valueless())),
        dummy=tag(matches(r"dum\d{1,4}"), **addressed()),
        loopback=tag(words("lo"), address=multi(ipv4_host), description=leaf(text)),
        tunnel=tag(matches(r"tun\d{1,4}"), **addressed(), encapsulation=leaf(words("ipip", "gre")),
                   source_address=leaf(ipv4_address), remote=leaf(ipv4_address),
                   ip=node(adjust_mss=leaf(either(numeric(536, 65535), words("clamp-mss-to-pmtu")))),
                   ipv6=node(address=node(no_default_link_local=valueless())))),
    protocols=node(static=node(route=tag(
        ipv4_prefix, description=leaf(text), blackhole=node(distance=leaf(numeric(1, 255))),
        next_hop=tag(ipv4_address, distance=leaf(numeric(1, 255))),
        interface=tag(interface, distance=leaf(numeric(1, 255)))))),
    vpn=node(ipsec=node(
        interface=multi(interface),
        options=node(disable_route_autoinstall=valueless()),
        authentication=node(psk=tag(matches(r"[a-zA-Z0-9_-]+"), id=multi(text), secret=leaf(text))),
        ike_group=tag(matches(r"[a-zA-Z0-9_-]+"), key_exchange=leaf(words("ikev1", "ikev2")),
                      lifetime=leaf(numeric(0, 86400)), close_action=leaf(words("none", "trap", "start")),
                      dead_peer_detection=node(action=leaf(words("trap", "clear", "restart")),
                                               interval=leaf(numeric(2, 86400)), timeout=leaf(numeric(2, 86400))),
                      disable_mobike=valueless(),
                      proposal=tag(numeric(1, 65535), encryption=leaf(ENCRYPTION), hash=leaf(HASH),
                                   dh_group=leaf(words(*DH_GROUP)),
                                   prf=leaf(words("prfsha1", "prfsha256", "prfsha384", "prfsha512")))),
        esp_group=tag(matches(r"[a-zA-Z0-9_-]+"), lifetime=leaf(numeric(30, 86400)),
                      mode=leaf(words("tunnel", "transport")),
                      pfs=leaf(words("enable", "disable", *(f"dh-group{group}" for group in DH_GROUP))),
                      proposal=tag(numeric(1, 65535), encryption=leaf(ENCRYPTION), hash=leaf(HASH))),
        site_to_site=node(peer=tag(
            matches(r"[-_a-zA-Z0-9|@]+"), description=leaf(text), ike_group=leaf(name), default_esp_group=leaf(name),
            authentication=node(mode=leaf(words("pre-shared-secret")), local_id=leaf(text), remote_id=leaf(text)),
            connection_type=leaf(words("initiate", "respond", "none")),
            local_address=leaf(either(ipv4_address, words("any"))),
            remote_address=multi(either(ipv4_address, words("any"), fqdn)), force_udp_encapsulation=valueless(),
            tunnel=tag(numeric(0, 4294967295), esp_group=leaf(name), local=node(prefix=multi(ipv4_prefix)),
                       remote=node(prefix=multi(ipv4_prefix))))))),
    firewall=node(
        global_options=node(state_policy=node(**{
            state: node(action=leaf(words("accept", "drop", "reject")), log=valueless())
            for state in ("established", "related", "invalid")})),
        group=node(address_group=tag(name, address=multi(either(ipv4_address, ipv4_range)), description=leaf(text)),
                   network_group=tag(name, network=multi(ipv4_prefix), description=leaf(text))),
        ipv4=node(input=chain(**INBOUND), forward=chain(**INBOUND, **OUTBOUND), output=chain(**OUTBOUND))),
    nat=node(source=node(rule=tag(
        numeric(1, 999999), description=leaf(text), exclude=valueless(), protocol=leaf(PROTOCOL),
        source=node(address=leaf(negatable(ADDRESS)), port=leaf(port)),
        destination=node(address=leaf(negatable(ADDRESS)), port=leaf(port)),
        outbound_interface=node(name=leaf(matched_interface)),
        translation=node(address=leaf(either(words("masquerade"), ADDRESS)))))),
)


class Refused(Exception):
    """A path or value that VyOS's command line refuses; the text is VyOS's."""


class Resolved(NamedTuple):
    """A path that the schema knows, its last node, and whether it ends in that node's value (or tag), not its name."""

    path: tuple[str, ...]
    node: Node
    valued: bool


def resolve(path: list[str], for_set: bool) -> Resolved:
    """Look a path up; Refused when the schema does not know it.

    `for_set`: `set` needs a leaf's or tag's value and checks it, `delete` does neither.
    """
    if not path:
        raise Refused("  Need to specify the config node to " + ("set" if for_set else "delete"))
    here, valued, position = SCHEMA, False, 0
    while position < len(path):
        if path[position] not in here.children:
            raise Refused(not_valid(path, position))
        here, valued, position = here.children[path[position]], False, position + 1
        if here.kind in ("tag", "leaf", "multi"):
            if position == len(path):
                if for_set:
                    raise Refused("  The specified configuration node requires a value")
                break
            check_value(path[position], here.check if for_set else None)
            valued, position = True, position + 1
        if position < len(path) and here.kind in ("leaf", "multi", "valueless"):
            raise Refused(not_valid(path, position))
    return Resolved(tuple(path), here, valued)


def check_value(value: str, check: Check | None) -> None:
    if "'" in value:
        raise Refused("  Cannot use the \"'\" (single quote) character in a value string")
    if check and not check(value):
        raise Refused("  Invalid value\n  Value validation failed")


def not_valid(path: list[str], position: int) -> str:
    return f"  Configuration path: {' '.join([*path[:position], f'[{path[position]}]'])} is not valid"
