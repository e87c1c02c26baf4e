"""What VyOS checks at commit: rules that join several nodes. Each function gives the messages of one subtree, in VyOS's
words and order; only the first is shown."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config, Path


def nothing(config: Config, at: Path) -> Iterator[str]:
    yield from ()


def ethernet(config: Config, at: Path) -> Iterator[str]:
    addresses = config.names(*at, "address")
    if "dhcp" in addresses and len(addresses) > 1:  # the stand-in's own: its DHCP client removes other addresses
        yield f"Cannot configure both a static address and DHCP on {at[-1]}!"
    yield from small_mtu(config, at, default="1500")


def tunnel(config: Config, at: Path) -> Iterator[str]:
    if not config.has((*at, "encapsulation")):
        yield f"Must configure the tunnel encapsulation for {at[-1]}!"
    if not config.has((*at, "source-address")):
        yield "source-address or source-interface required for tunnel!"
    if not config.has((*at, "remote")):
        yield "remote ip address is mandatory for tunnel"
    yield from small_mtu(config, at, default="1476")


def small_mtu(config: Config, at: Path, default: str) -> Iterator[str]:
    """IPv6's least MTU, unless IPv6 is off on the interface."""
    without_ipv6 = config.has((*at, "ipv6", "address", "no-default-link-local"))
    if int(config.value(*at, "mtu", default=default)) < 1280 and not without_ipv6:
        yield (f'link-local IPv6 address will be configured on interface "{at[-1]}",\n'
               'the required minimum MTU is "1280"!')


def firewall(config: Config, at: Path) -> Iterator[str]:
    for hook in config.names("firewall", "ipv4"):
        base = ("firewall", "ipv4", hook, "filter")
        for number in config.names(*base, "rule"):
            yield from firewall_rule(config, (*base, "rule", number))


def firewall_rule(config: Config, rule: Path) -> Iterator[str]:
    if not config.value(*rule, "action"):
        yield "Rule action must be defined"
    if {"match-ipsec", "match-none"} <= set(config.names(*rule, "ipsec")):
        yield 'Cannot specify both "match-ipsec" and "match-none"'
    for side in ("destination", "source"):
        kinds = config.names(*rule, side, "group")
        if len(kinds) > 1:
            yield "Only one address-group, network-group or domain-group can be specified"
        for kind in kinds:
            if config.has((*rule, side, "address")):
                yield f"{kind} and address cannot both be defined"
            group = config.value(*rule, side, "group", kind).removeprefix("!")
            if not config.has(("firewall", "group", kind, group)):
                yield f'Invalid {kind} "{group}" on firewall rule'
        if config.has((*rule, side, "port")):
            if not config.has((*rule, "protocol")):
                yield "Protocol must be defined if specifying a port or port-group"
            if config.value(*rule, "protocol") not in ("tcp", "udp", "tcp_udp"):
                yield "Protocol must be tcp, udp, or tcp_udp when specifying a port or port-group"


def nat(config: Config, at: Path) -> Iterator[str]:
    for number in config.names("nat", "source", "rule"):
        rule = ("nat", "source", "rule", number)
        error = f"Source NAT configuration error in rule {number}:"
        if not config.has((*rule, "exclude")) and not config.value(*rule, "translation", "address"):
            yield f"{error} translation requires address and/or port"
        ported = any(config.has((*rule, side, "port")) for side in ("source", "destination"))
        if ported and config.value(*rule, "protocol") not in ("tcp", "udp", "tcp_udp"):
            yield f"{error} ports can only be specified when protocol is either tcp, udp or tcp_udp!"


def ipsec(config: Config, at: Path) -> Iterator[str]:
    for psk in config.names(*at, "authentication", "psk"):
        if not {"id", "secret"} <= set(config.names(*at, "authentication", "psk", psk)):
            yield f'Authentication psk "{psk}" missing "id" or "secret"'
    for peer in config.names(*at, "site-to-site", "peer"):
        yield from ipsec_peer(config, at, peer)


def ipsec_peer(config: Config, ipsec: Path, peer: str) -> Iterator[str]:
    at = (*ipsec, "site-to-site", "peer", peer)
    default = config.value(*at, "default-esp-group")
    if default and not config.has((*ipsec, "esp-group", default)):
        yield f"Invalid esp-group on site-to-site peer {peer}"
    group = config.value(*at, "ike-group")
    if not group:
        yield f"Missing ike-group on site-to-site peer {peer}"
    if not config.has((*ipsec, "ike-group", group)):
        yield f"Invalid ike-group on site-to-site peer {peer}"
    if not config.has((*at, "authentication", "mode")):
        yield f"Missing authentication on site-to-site peer {peer}"
    if not config.has((*at, "local-address")):
        yield f"Missing local-address or dhcp-interface on site-to-site peer {peer}"
    if not config.has((*at, "tunnel")):
        yield f"No VTI or tunnel specified on site-to-site peer {peer}"
    for tunnel in config.names(*at, "tunnel"):
        esp = config.value(*at, "tunnel", tunnel, "esp-group", default=default)
        if not esp:
            yield f"Missing esp-group on tunnel {tunnel} for site-to-site peer {peer}"
        if not config.has((*ipsec, "esp-group", esp)):
            yield f"Invalid esp-group on tunnel {tunnel} for site-to-site peer {peer}"
