"""From a configuration to what the daemons read: strongSwan's swanctl.conf and an nftables ruleset. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config

# IANA's IKEv2 transform numbers to strongSwan's keywords
DH = {"2": "modp1024", "5": "modp1536", "14": "modp2048", "15": "modp3072", "16": "modp4096", "17": "modp6144", "18": "modp8192",
      "19": "ecp256", "20": "ecp384", "21": "ecp521", "22": "modp1024s160", "23": "modp2048s224", "24": "modp2048s256",
      "25": "ecp192", "26": "ecp224", "27": "ecp224bp", "28": "ecp256bp", "29": "ecp384bp", "30": "ecp512bp", "31": "curve25519",
      "32": "curve448"}
START = {"initiate": "start", "respond": "trap", "none": "none"}
PROTOCOL_NUMBERS = {"ipip": "94", "ipencap": "4"}  # /etc/protocols: 'ipip' is not IP-in-IP


def swanctl(config: Config) -> str:
    """swanctl.conf, as VyOS 1.4's templates write it, with VyOS's defaults for what is not configured."""
    lines = ["connections {"]
    for peer in config.names("vpn", "ipsec", "site-to-site", "peer"):
        lines += connection(config, peer)
    lines += ["}", "secrets {"]
    for psk in config.names("vpn", "ipsec", "authentication", "psk"):
        at = ("vpn", "ipsec", "authentication", "psk", psk)
        ids = [f'        id-{index} = "{identity}"' for index, identity in enumerate(config.names(*at, "id"))]
        lines += [f"    ike-{psk} {{", *ids, f'        secret = "{config.value(*at, "secret")}"', "    }"]
    return "\n".join([*lines, "}", ""])


def connection(config: Config, peer: str) -> Iterator[str]:
    at = ("vpn", "ipsec", "site-to-site", "peer", peer)
    ike = ("vpn", "ipsec", "ike-group", config.value(*at, "ike-group"))
    detection = (*ike, "dead-peer-detection")
    yield f"    {peer} {{"
    yield f"        proposals = {','.join(ike_proposals(config, ike))}"
    yield f"        version = {'2' if config.value(*ike, 'key-exchange') == 'ikev2' else '0'}"
    yield f"        local_addrs = {config.value(*at, 'local-address')}"
    yield f"        remote_addrs = {','.join(config.names(*at, 'remote-address')) or '%any'}"
    if config.has(detection):
        yield f"        dpd_delay = {config.value(*detection, 'interval', default='30')}"
    yield f"        rekey_time = {config.value(*ike, 'lifetime', default='28800')}s"
    yield f"        mobike = {'no' if config.has((*ike, 'disable-mobike')) else 'yes'}"
    yield "        keyingtries = 0"
    if config.has((*at, "force-udp-encapsulation")):
        yield "        encap = yes"
    for side, identity in (("local", config.value(*at, "authentication", "local-id")),
                           ("remote", config.value(*at, "authentication", "remote-id"))):
        yield f"        {side} {{"
        if identity:
            yield f'            id = "{identity}"'
        yield from ("            auth = psk", "        }")
    yield "        children {"
    for tunnel in config.names(*at, "tunnel"):
        yield from child(config, peer, tunnel, ike)
    yield from ("        }", "    }")


def child(config: Config, peer: str, tunnel: str, ike: tuple[str, ...]) -> Iterator[str]:
    at = ("vpn", "ipsec", "site-to-site", "peer", peer)
    esp = ("vpn", "ipsec", "esp-group",
           config.value(*at, "tunnel", tunnel, "esp-group", default=config.value(*at, "default-esp-group")))
    yield f"            {peer}-tunnel-{tunnel} {{"
    yield f"                esp_proposals = {','.join(esp_proposals(config, esp, ike))}"
    yield f"                life_time = {config.value(*esp, 'lifetime', default='3600')}s"
    for side in ("local", "remote"):
        yield f"                {side}_ts = {','.join(config.names(*at, 'tunnel', tunnel, side, 'prefix')) or 'dynamic'}"
    yield f"                mode = {config.value(*esp, 'mode', default='tunnel')}"
    yield f"                start_action = {START[config.value(*at, 'connection-type', default='none')]}"
    if config.has((*ike, "dead-peer-detection")):
        yield f"                dpd_action = {config.value(*ike, 'dead-peer-detection', 'action', default='clear')}"
    yield f"                close_action = {config.value(*ike, 'close-action', default='none')}"
    yield "            }"


def ike_proposals(config: Config, ike: tuple[str, ...]) -> Iterator[str]:
    for number in config.names(*ike, "proposal"):
        at = (*ike, "proposal", number)
        words = [config.value(*at, "encryption", default="aes128"), config.value(*at, "hash", default="sha1"),
                 config.value(*at, "prf"), DH.get(config.value(*at, "dh-group", default="2"), "")]
        yield "-".join(word for word in words if word)


def esp_proposals(config: Config, esp: tuple[str, ...], ike: tuple[str, ...]) -> Iterator[str]:
    pfs = config.value(*esp, "pfs", default="enable")
    if pfs == "enable":
        first = next(iter(config.names(*ike, "proposal")), "")
        pfs = "dh-group" + config.value(*ike, "proposal", first, "dh-group", default="2")
    for number in config.names(*esp, "proposal"):
        at = (*esp, "proposal", number)
        words = [config.value(*at, "encryption", default="aes128"), config.value(*at, "hash", default="sha1"),
                 DH.get(pfs.removeprefix("dh-group"), "")]
        yield "-".join(word for word in words if word)


def ruleset(config: Config) -> str:
    """The tables that VyOS keeps: packet filter, source NAT, and the clamping of segment sizes."""
    parts = ["table ip vyos_filter", "delete table ip vyos_filter", "table ip vyos_nat", "delete table ip vyos_nat",
             "table ip vyos_mss", "delete table ip vyos_mss", "table ip vyos_filter {", *groups(config)]
    for hook in ("input", "forward", "output"):
        parts += filter_chain(config, hook)
    parts += ["}", "table ip vyos_nat {", "  chain POSTROUTING {", "    type nat hook postrouting priority srcnat; policy accept;"]
    parts += [f"    {line}" for number in config.names("nat", "source", "rule") for line in nat_rule(config, number)]
    parts += ["  }", "}", "table ip vyos_mss {", "  chain VYOS_TCP_MSS {", "    type filter hook forward priority raw; policy accept;"]
    for name in config.names("interfaces", "tunnel"):
        size = config.value("interfaces", "tunnel", name, "ip", "adjust-mss")
        if size:
            size = "rt mtu" if size == "clamp-mss-to-pmtu" else size
            # only segments that leave through the interface, as in VyOS
            parts.append(f'    oifname "{name}" tcp flags & (syn|rst) == syn tcp option maxseg size set {size}')
    return "\n".join([*parts, "  }", "}", ""])


def groups(config: Config) -> Iterator[str]:
    for kind, leaf, letter in (("address-group", "address", "A"), ("network-group", "network", "N")):
        for name in config.names("firewall", "group", kind):
            elements = config.names("firewall", "group", kind, name, leaf)
            yield f"  set {letter}_{name} {{ type ipv4_addr; flags interval; auto-merge; " + (
                f"elements = {{ {', '.join(elements)} }}; }}" if elements else "}")


def filter_chain(config: Config, hook: str) -> Iterator[str]:
    base = ("firewall", "ipv4", hook, "filter")
    policy = ("firewall", "global-options", "state-policy")
    if not config.has(base) and not config.has(policy):
        return
    yield f"  chain VYOS_{hook.upper()}_filter {{"
    yield f"    type filter hook {hook} priority filter; policy accept;"
    if hook == "input":
        yield '    iifname "lo" accept'
    for state in config.names(*policy):
        yield f"    ct state {state} counter {config.value(*policy, state, 'action', default='accept')}"
    for number in config.names(*base, "rule"):
        if not config.has((*base, "rule", number, "disable")):
            yield f"    {filter_rule(config, (*base, 'rule', number))} comment \"ipv4-{hook}-filter-{number}\""
    yield f"    counter {config.value(*base, 'default-action', default='accept')}"
    yield "  }"


def filter_rule(config: Config, rule: tuple[str, ...]) -> str:
    words = list(interfaces(config, rule))
    protocol = config.value(*rule, "protocol")
    if protocol and protocol != "all":
        words.append(f"meta l4proto {protocol_match(protocol)}")
    for side, key in (("source", "saddr"), ("destination", "daddr")):
        address = config.value(*rule, side, "address")
        if address:
            words.append(f"ip {key} {negated(address)}")
        for kind, letter in (("address-group", "A"), ("network-group", "N")):
            group = config.value(*rule, side, "group", kind)
            if group:
                words.append(f"ip {key} {'!= ' if group[0] == '!' else ''}@{letter}_{group.removeprefix('!')}")
        ports = config.value(*rule, side, "port")
        if ports:
            words.append(f"th {key[0]}port {'!= ' if ports[0] == '!' else ''}{{ {ports.removeprefix('!')} }}")
    if config.has((*rule, "state")):
        words.append(f"ct state {{ {', '.join(config.names(*rule, 'state'))} }}")
    if config.has((*rule, "ipsec", "match-ipsec")):
        words.append("meta ipsec exists")
    if config.has((*rule, "ipsec", "match-none")):
        words.append("meta ipsec missing")
    return " ".join([*words, "counter", config.value(*rule, "action")])


def nat_rule(config: Config, number: str) -> Iterator[str]:
    rule = ("nat", "source", "rule", number)
    words = list(interfaces(config, rule))
    protocol = config.value(*rule, "protocol")
    if protocol and protocol != "all":
        words.append(f"meta l4proto {protocol_match(protocol)}")
    for side, key in (("source", "saddr"), ("destination", "daddr")):
        address = config.value(*rule, side, "address")
        if address:
            words.append(f"ip {key} {negated(address)}")
    target = config.value(*rule, "translation", "address")
    verdict = "return" if config.has((*rule, "exclude")) else "masquerade" if target == "masquerade" else f"snat to {target}"
    yield " ".join([*words, "counter", verdict, f'comment "SRC-NAT-{number}"'])


def interfaces(config: Config, rule: tuple[str, ...]) -> Iterator[str]:
    for node, key in (("inbound-interface", "iifname"), ("outbound-interface", "oifname")):
        name = config.value(*rule, node, "name")
        if name:
            yield f'{key} {"!= " if name[0] == "!" else ""}"{name.removeprefix("!")}"'


def negated(value: str) -> str:
    return f"!= {value[1:]}" if value.startswith("!") else value


def protocol_match(protocol: str) -> str:
    bare = protocol.removeprefix("!")
    number = "{ tcp, udp }" if bare == "tcp_udp" else PROTOCOL_NUMBERS.get(bare, bare)
    return f"!= {number}" if protocol.startswith("!") else number
