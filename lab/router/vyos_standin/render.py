"""From a configuration to what the daemons read: strongSwan's swanctl.conf and an nftables ruleset. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .config import Config

# IANA's IKEv2 transform numbers to strongSwan's keywords
DH = {"1": "modp768", "2": "modp1024", "5": "modp1536", "14": "modp2048", "15": "modp3072", "16": "modp4096",
      "17": "modp6144", "18": "modp8192", "19": "ecp256", "20": "ecp384", "21": "ecp521", "22": "modp1024s160",
      "23": "modp2048s224", "24": "modp2048s256", "25": "ecp192", "26": "ecp224", "27": "ecp224bp", "28": "ecp256bp",
      "29": "ecp384bp", "30": "ecp512bp", "31": "curve25519", "32": "curve448"}
PORT = 8101  # the daemon's
START = {"initiate": "start", "respond": "trap", "none": "none"}
VERSIONS = {"ikev1": "1", "ikev2": "2"}
HOOKS = {"input": "INP", "forward": "FWD", "output": "OUT"}  # with their names in VyOS's comments and logs
STATE_POLICY = ("firewall", "global-options", "state-policy")
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


def charon(config: Config) -> str:
    """What of charon's own settings depends on the configuration; it reads them when it starts."""
    install = "no" if config.has(("vpn", "ipsec", "options", "disable-route-autoinstall")) else "yes"
    return f"charon {{\n  install_routes = {install}\n}}\n"


def connection(config: Config, peer: str) -> Iterator[str]:
    at = ("vpn", "ipsec", "site-to-site", "peer", peer)
    ike = ("vpn", "ipsec", "ike-group", config.value(*at, "ike-group"))
    detection = (*ike, "dead-peer-detection")
    yield f"    {peer} {{"
    yield f"        proposals = {','.join(ike_proposals(config, ike))}"
    yield f"        version = {VERSIONS.get(config.value(*ike, 'key-exchange'), '0')}"
    yield f"        local_addrs = {address(config.names(*at, 'local-address'))}"
    yield f"        remote_addrs = {address(config.names(*at, 'remote-address'))}"
    if config.has(detection):
        yield f"        dpd_timeout = {config.value(*detection, 'timeout', default='120')}"
        yield f"        dpd_delay = {config.value(*detection, 'interval', default='30')}"
    yield f"        rekey_time = {config.value(*ike, 'lifetime', default='28800')}s"
    yield f"        mobike = {'no' if config.has((*ike, 'disable-mobike')) else 'yes'}"
    connecting = config.value(*at, "connection-type", default="initiate")
    if connecting != "none":
        yield f"        keyingtries = {0 if connecting == 'initiate' else 1}"
    if config.has((*at, "force-udp-encapsulation")):
        yield "        encap = yes"
    for side, identity in (("local", config.value(*at, "authentication", "local-id")),
                           ("remote", config.value(*at, "authentication", "remote-id", default="%any"))):
        yield f"        {side} {{"
        if identity:
            yield f'            id = "{identity}"'
        yield from ("            auth = psk", "        }")
    yield "        children {"
    for tunnel in config.names(*at, "tunnel"):
        yield from child(config, peer, tunnel, ike)
    yield from ("        }", "    }")


def address(addresses: list[str]) -> str:
    return "%any" if not addresses or "any" in addresses else ",".join(addresses)


def child(config: Config, peer: str, tunnel: str, ike: tuple[str, ...]) -> Iterator[str]:
    at = ("vpn", "ipsec", "site-to-site", "peer", peer)
    esp = ("vpn", "ipsec", "esp-group",
           config.value(*at, "tunnel", tunnel, "esp-group", default=config.value(*at, "default-esp-group")))
    yield f"            {peer}-tunnel-{tunnel} {{"
    yield f"                esp_proposals = {','.join(esp_proposals(config, esp, ike))}"
    yield f"                life_time = {config.value(*esp, 'lifetime', default='3600')}s"
    for side in ("local", "remote"):
        prefixes = config.names(*at, "tunnel", tunnel, side, "prefix")
        yield f"                {side}_ts = {','.join(prefixes) or 'dynamic'}"
    yield f"                mode = {config.value(*esp, 'mode', default='tunnel')}"
    yield f"                start_action = {START[config.value(*at, 'connection-type', default='initiate')]}"
    if config.has((*ike, "dead-peer-detection")):
        yield f"                dpd_action = {config.value(*ike, 'dead-peer-detection', 'action', default='clear')}"
    yield f"                close_action = {config.value(*ike, 'close-action', default='none')}"
    yield "            }"


def ike_proposals(config: Config, ike: tuple[str, ...]) -> Iterator[str]:
    for number in config.names(*ike, "proposal"):
        at = (*ike, "proposal", number)
        yield "-".join(word for word in (*ciphers(config, at), config.value(*at, "prf"),
                                         DH[config.value(*at, "dh-group", default="2")]) if word)


def esp_proposals(config: Config, esp: tuple[str, ...], ike: tuple[str, ...]) -> Iterator[str]:
    pfs = config.value(*esp, "pfs", default="enable").removeprefix("dh-group")
    if pfs == "enable":
        pfs = config.value(*ike, "proposal", *config.names(*ike, "proposal")[:1], "dh-group", default="2")
    for number in config.names(*esp, "proposal"):
        yield "-".join([*ciphers(config, (*esp, "proposal", number)), *([DH[pfs]] if pfs != "disable" else [])])


def ciphers(config: Config, proposal: tuple[str, ...]) -> tuple[str, str]:
    return config.value(*proposal, "encryption", default="aes128"), config.value(*proposal, "hash", default="sha1")


def table(name: str, *lines: str) -> str:
    """A ruleset that replaces a table whole, in one transaction."""
    return "\n".join([f"table ip {name}", f"delete table ip {name}", f"table ip {name} {{", *lines, "}", ""])


def filter_table(config: Config) -> str:
    chains = [line for hook in HOOKS for line in filter_chain(config, hook)]
    return table("vyos_filter", *groups(config), *state_policy(config), *chains)


def nat_table(config: Config) -> str:
    rules = [f"    {nat_rule(config, number)}" for number in config.names("nat", "source", "rule")]
    hook = "    type nat hook postrouting priority srcnat; policy accept;"
    return table("vyos_nat", "  chain POSTROUTING {", hook, *rules, "  }")


def mss_table(config: Config) -> str:
    """Segment sizes of connections that are opened out of a tunnel; VyOS, too, touches only those."""
    rules = []
    for name in config.names("interfaces", "tunnel"):
        size = config.value("interfaces", "tunnel", name, "ip", "adjust-mss")
        if size:
            size = "rt mtu" if size == "clamp-mss-to-pmtu" else size
            rules.append(f'    oifname "{name}" tcp flags & (syn|rst) == syn tcp option maxseg size set {size}')
    hook = "    type filter hook forward priority raw; policy accept;"
    return table("vyos_mss", "  chain VYOS_TCP_MSS {", hook, *rules, "  }")


def groups(config: Config) -> Iterator[str]:
    for kind, leaf, letter in (("address-group", "address", "A"), ("network-group", "network", "N")):
        for name in config.names("firewall", "group", kind):
            elements = config.names("firewall", "group", kind, name, leaf)
            yield f"  set {letter}_{name} {{ type ipv4_addr; flags interval; auto-merge; " + (
                f"elements = {{ {', '.join(elements)} }}; }}" if elements else "}")


def state_policy(config: Config) -> Iterator[str]:
    """The chain that every filter jumps to first; a state without an action is only counted."""
    if config.has(STATE_POLICY):
        yield "  chain VYOS_STATE_POLICY {"
        for state in config.names(*STATE_POLICY):
            action = config.value(*STATE_POLICY, state, "action")
            words = [f"    ct state {state}"]
            if config.has((*STATE_POLICY, state, "log")):
                words.append(f'log prefix "[STATE-POLICY-{state[:3].upper()}-{(action or "accept")[0].upper()}]"')
            yield " ".join([*words, "counter", action]).rstrip()
        yield from ("    return", "  }")


def filter_chain(config: Config, hook: str) -> Iterator[str]:
    base = ("firewall", "ipv4", hook, "filter")
    if not config.has(base):
        return
    yield f"  chain VYOS_{hook.upper()}_filter {{"
    yield f"    type filter hook {hook} priority filter; policy accept;"
    if hook != "forward":  # the shell's way to the daemon; VyOS has none that a packet filter sees
        for end in ("sport", "dport"):
            yield f'    {"iifname" if hook == "input" else "oifname"} "lo" tcp {end} {PORT} accept'
    if config.has(STATE_POLICY):
        yield "    jump VYOS_STATE_POLICY"
    for number in config.names(*base, "rule"):
        if not config.has((*base, "rule", number, "disable")):
            yield f"    {filter_rule(config, (*base, 'rule', number), f'ipv4-{HOOKS[hook]}-filter-{number}')}"
    action = config.value(*base, "default-action", default="accept")
    log = f'log prefix "[ipv4-{HOOKS[hook]}-filter-default-{action[0].upper()}]" '
    yield (f"    counter {log if config.has((*base, 'default-log')) else ''}{action} "
           f'comment "{HOOKS[hook]}-filter default-action {action}"')
    yield "  }"


def filter_rule(config: Config, rule: tuple[str, ...], name: str) -> str:
    action = config.value(*rule, "action")
    words = list(matches(config, rule))
    if config.has((*rule, "state")):
        words.append(f"ct state {{ {', '.join(config.names(*rule, 'state'))} }}")
    words += icmp(config, rule)
    if config.has((*rule, "ipsec", "match-ipsec")):
        words.append("meta ipsec exists")
    if config.has((*rule, "ipsec", "match-none")):
        words.append("meta ipsec missing")
    if config.has((*rule, "log")):
        words.append(f'log prefix "[{name}-{action[0].upper()}]"')
    return " ".join([*words, "counter", action, f'comment "{name}"'])


def icmp(config: Config, rule: tuple[str, ...]) -> Iterator[str]:
    """As in VyOS a type's name stands in place of the numbers."""
    for node in ("type-name",) if config.has((*rule, "icmp", "type-name")) else ("code", "type"):
        if config.has((*rule, "icmp", node)):
            yield f"icmp {node.removesuffix('-name')} {config.value(*rule, 'icmp', node)}"


def nat_rule(config: Config, number: str) -> str:
    rule = ("nat", "source", "rule", number)
    target = config.value(*rule, "translation", "address")
    verdict = target if target == "masquerade" else f"snat to {target}"
    if config.has((*rule, "exclude")):
        verdict = "return"
    return " ".join([*matches(config, rule), "counter", verdict, f'comment "SRC-NAT-{number}"'])


def matches(config: Config, rule: tuple[str, ...]) -> Iterator[str]:
    """What packet filter and NAT match alike: interfaces, protocol, addresses, groups, ports."""
    for node, key in (("inbound-interface", "iifname"), ("outbound-interface", "oifname")):
        name = config.value(*rule, node, "name")
        if name:
            yield f'{key} {"!= " if name[0] == "!" else ""}"{name.removeprefix("!")}"'
    protocol = config.value(*rule, "protocol")
    if protocol and protocol != "all":
        yield f"meta l4proto {protocol_match(protocol)}"
    for side, key in (("source", "saddr"), ("destination", "daddr")):
        if config.has((*rule, side, "address")):
            yield f"ip {key} {negated(config.value(*rule, side, 'address'))}"
        for kind, letter in (("address-group", "A"), ("network-group", "N")):
            group = config.value(*rule, side, "group", kind)
            if group:
                yield f"ip {key} {'!= ' if group[0] == '!' else ''}@{letter}_{group.removeprefix('!')}"
        ports = config.value(*rule, side, "port").split(",")
        for sign, chosen in (("", [port for port in ports if port and port[0] != "!"]),
                             ("!= ", [port[1:] for port in ports if port[:1] == "!"])):
            if chosen:
                yield f"th {key[0]}port {sign}{{ {', '.join(chosen)} }}"


def negated(value: str) -> str:
    return f"!= {value[1:]}" if value.startswith("!") else value


def protocol_match(protocol: str) -> str:
    bare = protocol.removeprefix("!")
    number = "{ tcp, udp }" if bare == "tcp_udp" else PROTOCOL_NUMBERS.get(bare, bare)
    return f"!= {number}" if protocol.startswith("!") else number
