"""What VyOS checks at commit: rules that join several nodes. Each function gives the messages of one subtree."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config


def tunnels(config: Config) -> Iterator[str]:
    for name in config.names("interfaces", "tunnel"):
        at = ("interfaces", "tunnel", name)
        for node, title in (("encapsulation", "encapsulation"), ("source-address", "source-address"), ("remote", "remote")):
            if not config.value(*at, node):
                yield f"Must configure the tunnel {title} for {name}!"
        if int(config.value(*at, "mtu", default="1476")) < 1280 and not config.has((*at, "ipv6", "address", "no-default-link-local")):
            yield f"IPv6 is enabled on {name}: the MTU must be at least 1280 bytes!"


def ethernets(config: Config) -> Iterator[str]:
    for name in config.names("interfaces", "ethernet"):
        addresses = config.names("interfaces", "ethernet", name, "address")
        if "dhcp" in addresses and len(addresses) > 1:
            yield f"Cannot configure both a static address and DHCP on {name}!"


def static_routes(config: Config) -> Iterator[str]:
    for prefix in config.names("protocols", "static", "route"):
        if not any(config.has(("protocols", "static", "route", prefix, kind)) for kind in ("blackhole", "next-hop", "interface")):
            yield f"Static route {prefix} must have a next-hop, an interface or a blackhole!"


def firewall(config: Config) -> Iterator[str]:
    for hook in config.names("firewall", "ipv4"):
        base = ("firewall", "ipv4", hook, "filter")
        for number in config.names(*base, "rule"):
            rule = (*base, "rule", number)
            if not config.value(*rule, "action"):
                yield f"Rule {number}: action must be defined!"
            for side in ("source", "destination"):
                if config.value(*rule, side, "port") and config.value(*rule, "protocol") not in ("tcp", "udp", "tcp_udp", "6", "17"):
                    yield f"Rule {number}: protocol must be tcp, udp, or tcp_udp when specifying a port!"
                for kind in ("address-group", "network-group"):
                    group = config.value(*rule, side, "group", kind).removeprefix("!")
                    if group and not config.has(("firewall", "group", kind, group)):
                        yield f"Invalid {kind} \"{group}\" on firewall rule {number}!"


def source_nat(config: Config) -> Iterator[str]:
    for number in config.names("nat", "source", "rule"):
        rule = ("nat", "source", "rule", number)
        if not config.has((*rule, "exclude")) and not config.value(*rule, "translation", "address"):
            yield f"Source NAT rule {number}: translation address is required!"


def ipsec(config: Config) -> Iterator[str]:
    base = ("vpn", "ipsec")
    for psk in config.names(*base, "authentication", "psk"):
        if not config.value(*base, "authentication", "psk", psk, "id"):
            yield f'Authentication psk "{psk}" missing "id"'
        if not config.value(*base, "authentication", "psk", psk, "secret"):
            yield f'Authentication psk "{psk}" missing "secret"'
    for group in config.names(*base, "ike-group"):
        if not config.names(*base, "ike-group", group, "proposal"):
            yield f"Missing proposal for ike-group {group}"
    for peer in config.names(*base, "site-to-site", "peer"):
        at = (*base, "site-to-site", "peer", peer)
        group = config.value(*at, "ike-group")
        if not group:
            yield f"Missing ike-group for site-to-site peer {peer}"
        elif not config.has((*base, "ike-group", group)):
            yield f"Invalid ike-group on site-to-site peer {peer}"
        if not config.value(*at, "authentication", "mode"):
            yield f"Missing authentication mode on site-to-site peer {peer}"
        if not config.value(*at, "local-address"):
            yield f"Missing local-address for site-to-site peer {peer}"
        default = config.value(*at, "default-esp-group")
        for tunnel in config.names(*at, "tunnel"):
            esp = config.value(*at, "tunnel", tunnel, "esp-group", default=default)
            if not esp:
                yield f"Missing esp-group on tunnel {tunnel} for site-to-site peer {peer}"
            elif not config.has((*base, "esp-group", esp)):
                yield f"Invalid esp-group on tunnel {tunnel} for site-to-site peer {peer}"
