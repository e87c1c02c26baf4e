"""Sessions and commits, on a system that only notes: order, what is left alone, what a failure leaves, the texts."""

from __future__ import annotations

import shlex
import stat
import threading
from pathlib import Path

import pytest

from lab.router.vyos_standin.config import parse_boot
from lab.router.vyos_standin.daemon import BOOT_FILE, BOOT_LOG, FAILED, LOCKED, TO_STDERR, Daemon
from tests.router.conftest import SECRET, router_lines
from tests.router.recorder import Recorder

LINK = ("interfaces tunnel", "protocols static route", "vpn ipsec")
NO_CHANGES = (1, "No configuration changes to commit")


class Session:
    """What the shell functions do for a session of this process."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.id = daemon.answer("open", "", [])[1]

    def __call__(self, operation: str, line: str = "") -> tuple[int, str]:
        return self.daemon.answer(operation, self.id, shlex.split(line))

    def set(self, *lines: str) -> None:
        for line in lines:
            assert self("set", line.removeprefix("set ")) == (0, "")


@pytest.fixture
def system(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


@pytest.fixture
def daemon(system: Recorder) -> Daemon:
    daemon = Daemon(system)
    daemon.boot([])
    system.forget()
    return daemon


@pytest.fixture
def session(daemon: Daemon) -> Session:
    return Session(daemon)


@pytest.fixture
def configured(session: Session, system: Recorder) -> Session:
    """A session of a router that has all its lines."""
    session.set(*(line for line in router_lines() if " eth0 address " not in line))
    assert session("commit") == (0, "")
    system.forget()
    return session


def test_a_first_boot_asks_by_dhcp_and_has_ssh(system: Recorder) -> None:
    daemon = Daemon(system)
    daemon.boot([])
    assert daemon.answer("show", "", ["configuration", "commands"]) == (
        0,
        "\n".join(["set interfaces ethernet eth0 address 'dhcp'", "set service ssh", "set system host-name 'vyos'"]),
    )
    # the lease sets the MTU
    assert system.log == ["hostname vyos", "ip link set eth0 up", "start dhcp eth0", "start ssh"]
    assert parse_boot(system.read(BOOT_FILE)) == daemon.running  # VyOS's image has saved this, too


def test_first_boot_commands_are_committed_and_saved(system: Recorder) -> None:
    daemon = Daemon(system)
    daemon.boot(
        [
            "set system host-name 'router-a'",
            "delete interfaces ethernet eth0 address 'dhcp'",
            "set bogus '1'",
            "set system name-server 192.0.2.1",
            "set interfaces tunnel 'tun0'",
            'set system name-server "192.0.2.2"',
            "run show version",
            "set interfaces ethernet eth0 address '192.0.2.1/24'",
        ]
    )
    quotes = "  cloud-init takes a leaf's value, and nothing else, in single quotes"
    assert system.read(BOOT_LOG).splitlines() == [
        "set bogus '1'",
        "  Configuration path: [bogus] is not valid",
        "set system name-server 192.0.2.1",
        quotes,
        "set interfaces tunnel 'tun0'",
        quotes,
        'set system name-server "192.0.2.2"',
        "  Invalid value",
        "  Value validation failed",
        "run show version",
        "  cloud-init does not understand this command",
    ]
    again = Daemon(system)
    again.boot([])
    assert again.running == daemon.running
    assert daemon.running.commands() == [
        "set interfaces ethernet eth0 address '192.0.2.1/24'",
        "set service ssh",
        "set system host-name 'router-a'",
    ]
    assert "stop dhcp eth0" in system.log  # init's client


def test_a_whole_first_configuration_is_one_commit_and_saved(system: Recorder) -> None:
    lines = [line for line in router_lines() if not line.startswith("set vpn")]
    daemon = Daemon(system)
    daemon.boot(lines)
    assert system.read(BOOT_LOG) == "\n"
    assert daemon.running.commands() == sorted(lines, key=daemon.running.commands().index)
    assert parse_boot(system.read(BOOT_FILE)) == daemon.running
    assert [command for command in system.log if command.startswith("nft")] == ["nft vyos_mss", "nft vyos_filter"]


def test_first_boot_commands_are_saved_even_where_they_cannot_be_committed(system: Recorder) -> None:
    """cloud-init writes them into the file that the boot then loads."""
    daemon = Daemon(system)
    daemon.boot(["set interfaces tunnel tun0 encapsulation 'ipip'", "set system host-name 'first'"])
    assert "[[interfaces tunnel tun0]] failed\nCommit failed\n" in system.read(BOOT_LOG)
    assert daemon.running.value("system", "host-name") == "first"
    assert parse_boot(system.read(BOOT_FILE)).has(("interfaces", "tunnel", "tun0"))


def test_a_later_boot_applies_what_is_saved(system: Recorder) -> None:
    Daemon(system).boot(["set system host-name 'first'"])
    system.forget()
    daemon = Daemon(system)
    daemon.boot([])
    assert daemon.running.value("system", "host-name") == "first"
    assert "hostname first" in system.log


def test_what_is_wrong_with_the_user_data_is_in_the_boot_log(system: Recorder) -> None:
    system.write("/run/cloud/log", "user data: more than 16384 bytes\n")
    Daemon(system).boot([])
    assert system.read(BOOT_LOG) == "user data: more than 16384 bytes\n"


def test_a_saved_file_that_cannot_be_read_leaves_a_router_without_configuration(system: Recorder) -> None:
    system.write(BOOT_FILE, "interfaces {\n")
    daemon = Daemon(system)
    daemon.boot([])
    assert daemon.running.commands() == []
    assert system.read(BOOT_LOG) == f"{BOOT_FILE}: config.boot: braces do not match\n"


def test_parts_are_applied_in_vyos_order(session: Session, system: Recorder) -> None:
    session.set(*(line for line in router_lines() if " eth0 address " not in line))
    assert session("commit") == (0, "")
    order = [
        "hostname",
        "ip link set eth1",
        "ip link add tun",
        "nft vyos_mss",
        "ip route replace 192.168.20.0/24 dev dum999",
        "nft vyos_filter",
        "start charon",
        "swanctl --load-all",
        "start ssh",
    ]
    positions = [next(n for n, command in enumerate(system.log) if command.startswith(start)) for start in order]
    assert positions == sorted(positions)
    assert system.log[-2] == "swanctl --load-all --noprompt"


def test_the_secret_is_in_a_file_for_root_only(configured: Session, system: Recorder) -> None:
    file = system.root / "etc/swanctl/conf.d/vyos.conf"
    assert SECRET in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(SECRET in command for command in system.log)


def test_delete_and_set_of_the_same_lines_is_no_change(configured: Session, system: Recorder) -> None:
    for owned in LINK:
        assert configured("delete", owned) == (0, "")
    configured.set(*(line for line in router_lines() if line.removeprefix("set ").startswith(LINK)))
    assert configured("compare") == (0, "No changes between working and active configurations.\n")
    assert configured("commit") == NO_CHANGES
    assert system.log == []


def test_only_what_changed_is_applied(configured: Session, system: Recorder) -> None:
    configured.set(
        "interfaces tunnel tun99 encapsulation ipip",
        "interfaces tunnel tun99 source-address 10.0.0.1",
        "interfaces tunnel tun99 remote 192.0.2.9",
    )
    assert configured("commit") == (0, "")
    assert system.log == [
        "ip link add tun99 type ipip local 10.0.0.1 remote 192.0.2.9 ttl 64",
        "ip link set tun99 mtu 1476 up",
    ]


def test_a_tunnel_is_made_anew_only_for_its_ends(configured: Session, system: Recorder) -> None:
    tunnel = next(line.split()[3] for line in router_lines() if line.startswith("set interfaces tunnel"))
    configured.set(f"interfaces tunnel {tunnel} mtu 1400", f"interfaces tunnel {tunnel} ip adjust-mss 1300")
    configured("commit")
    assert system.log == [f"ip link set {tunnel} mtu 1400 up", "nft vyos_mss"]
    system.forget()
    configured.set(f"interfaces tunnel {tunnel} remote 192.0.2.77")
    configured("commit")
    assert system.log[0] == f"ip link del {tunnel}"
    assert any(command.startswith("ip addr replace ") and command.endswith(f" dev {tunnel}") for command in system.log)
    assert not any("swanctl" in command for command in system.log)


def test_another_link_leaves_a_peers_association_alone(configured: Session, system: Recorder) -> None:
    peer = "vpn ipsec site-to-site peer other"
    configured.set(
        f"{peer} ike-group tokyo-osaka",
        f"{peer} default-esp-group tokyo-osaka",
        f"{peer} local-address 10.0.0.1",
        f"{peer} authentication mode pre-shared-secret",
        f"{peer} tunnel 0 remote prefix 10.9.0.0/16",
    )
    configured("commit")
    assert system.log == ["swanctl --load-all --noprompt"]
    system.forget()
    configured("delete", peer)
    configured("commit")
    assert system.log == ["swanctl --terminate --ike other --force --timeout 1", "swanctl --load-all --noprompt"]


def test_another_key_is_loaded_and_nothing_else_happens(configured: Session, system: Recorder) -> None:
    """charon leaves a connection alone that is as it was, so its associations stay."""
    before = system.read("/etc/swanctl/conf.d/vyos.conf")
    configured.set("vpn ipsec authentication psk tokyo-osaka secret another")
    assert configured("commit") == (0, "")
    assert system.log == ["swanctl --load-all --noprompt"]
    assert system.read("/etc/swanctl/conf.d/vyos.conf") == before.replace(SECRET, "another")


def test_what_goes_goes_first_and_in_reverse_order(configured: Session, system: Recorder) -> None:
    for owned in ("interfaces tunnel", "vpn"):
        configured("delete", owned)
    configured.set("system host-name changed")
    assert configured("commit") == (0, "")
    assert [command.split()[0] + " " + command.split()[1] for command in system.log] == [
        "stop charon",
        "ip link",
        "nft vyos_mss",
        "hostname changed",
    ]


def test_a_removed_link_leaves_no_line_but_the_nodes_above(configured: Session) -> None:
    for owned in (
        "interfaces tunnel",
        "protocols static route",
        *(
            f"vpn ipsec {kind} tokyo-osaka"
            for kind in ("authentication psk", "esp-group", "ike-group", "site-to-site peer")
        ),
    ):
        configured("delete", owned)
    configured("commit")
    _, commands = configured.daemon.answer("show", "", ["configuration", "commands"])
    assert "tokyo-osaka" not in commands
    assert {"set protocols static", "set vpn ipsec authentication", "set vpn ipsec site-to-site"} <= set(
        commands.splitlines()
    )


def test_a_part_that_is_refused_leaves_the_others_committed(session: Session, system: Recorder) -> None:
    session.set(
        "interfaces tunnel tun0 encapsulation ipip", "system host-name changed", "service ssh disable-host-validation"
    )
    assert session("commit") == (
        FAILED,
        (
            "[ interfaces tunnel tun0 ]\nsource-address or source-interface required for tunnel!\n\n"
            "[[interfaces tunnel tun0]] failed\nCommit failed"
        ),
    )
    _, commands = session.daemon.answer("show", "", ["configuration", "commands"])
    assert "set system host-name 'changed'" in commands  # before it
    assert "set service ssh disable-host-validation" in commands  # after it
    assert "tunnel" not in commands
    assert session("compare", "commands") == (0, "set interfaces tunnel tun0 encapsulation 'ipip'\n")
    session.set("interfaces tunnel tun0 source-address 10.0.0.1", "interfaces tunnel tun0 remote 192.0.2.1")
    assert session("commit") == (0, "")


def test_a_command_that_fails_fails_its_part(session: Session, system: Recorder) -> None:
    session.set("protocols static route 10.0.0.0/8 blackhole", "system host-name changed")
    system.fail("ip route")
    assert session("commit") == (
        FAILED,
        (
            "[ protocols static ]\nip route replace blackhole 10.0.0.0/8 metric 1: broken\n\n[[protocols static]] failed\nCommit failed"
        ),
    )
    system.fail("")
    assert session("commit") == (0, "")
    session("delete", "protocols static")
    session("delete", "interfaces ethernet eth0")
    system.fail("ip link set eth0")
    assert session("commit")[1].splitlines()[-2:] == ["delete [ interfaces ethernet eth0 ] failed", "Commit failed"]


FAILURES = [
    (["interfaces tunnel tun0 mtu 1400"], "Must configure the tunnel encapsulation for tun0!"),
    (
        ["interfaces tunnel tun0 encapsulation ipip", "interfaces tunnel tun0 source-address 10.0.0.1"],
        "remote ip address is mandatory for tunnel",
    ),
    (
        [
            "interfaces tunnel tun0 encapsulation ipip",
            "interfaces tunnel tun0 source-address 10.0.0.1",
            "interfaces tunnel tun0 remote 10.0.0.2",
            "interfaces tunnel tun0 mtu 1279",
        ],
        'link-local IPv6 address will be configured on interface "tun0",\nthe required minimum MTU is "1280"!',
    ),
    (["firewall ipv4 input filter rule 1 protocol udp"], "Rule action must be defined"),
    (
        ["firewall ipv4 input filter rule 1 action drop", "firewall ipv4 input filter rule 1 destination port 53"],
        "Protocol must be defined if specifying a port or port-group",
    ),
    (
        [
            "firewall ipv4 input filter rule 1 action drop",
            "firewall ipv4 input filter rule 1 destination port 53",
            "firewall ipv4 input filter rule 1 protocol icmp",
        ],
        "Protocol must be tcp, udp, or tcp_udp when specifying a port or port-group",
    ),
    (
        [
            "firewall ipv4 input filter rule 1 action drop",
            "firewall ipv4 input filter rule 1 source group network-group G",
        ],
        'Invalid network-group "G" on firewall rule',
    ),
    (
        ["nat source rule 5 outbound-interface name eth0"],
        "Source NAT configuration error in rule 5: translation requires address and/or port",
    ),
    (["vpn ipsec authentication psk p id x"], 'Authentication psk "p" missing "id" or "secret"'),
    (["vpn ipsec site-to-site peer p local-address any"], "Missing ike-group on site-to-site peer p"),
    (["vpn ipsec site-to-site peer p ike-group g"], "Invalid ike-group on site-to-site peer p"),
    (["vpn ipsec site-to-site peer p default-esp-group e"], "Invalid esp-group on site-to-site peer p"),
    (
        ["vpn ipsec ike-group g", "vpn ipsec site-to-site peer p ike-group g"],
        "Missing authentication on site-to-site peer p",
    ),
    (
        [
            "vpn ipsec ike-group g",
            "vpn ipsec site-to-site peer p ike-group g",
            "vpn ipsec site-to-site peer p authentication mode pre-shared-secret",
        ],
        "Missing local-address or dhcp-interface on site-to-site peer p",
    ),
    (
        [
            "vpn ipsec ike-group g",
            "vpn ipsec site-to-site peer p ike-group g",
            "vpn ipsec site-to-site peer p local-address any",
            "vpn ipsec site-to-site peer p authentication mode pre-shared-secret",
        ],
        "No VTI or tunnel specified on site-to-site peer p",
    ),
    (
        [
            "vpn ipsec ike-group g",
            "vpn ipsec site-to-site peer p ike-group g",
            "vpn ipsec site-to-site peer p local-address any",
            "vpn ipsec site-to-site peer p authentication mode pre-shared-secret",
            "vpn ipsec site-to-site peer p tunnel 0",
        ],
        "Missing esp-group on tunnel 0 for site-to-site peer p",
    ),
]


@pytest.mark.parametrize(("lines", "message"), FAILURES)
def test_rules_that_join_nodes(session: Session, system: Recorder, lines: list[str], message: str) -> None:
    session.set(*lines)
    _, text = session("commit")
    title = text.splitlines()[0]
    assert text == f"{title}\n{message}\n\n[{title.replace('[ ', '[').replace(' ]', ']')}] failed\nCommit failed"
    assert system.log == []


def test_texts_of_set_and_delete(session: Session) -> None:
    assert session("set", "system host-name vyos") == (
        0,
        "  Configuration path: [system host-name vyos] already exists",
    )
    assert session("set", "bogus") == (TO_STDERR, "  Configuration path: [bogus] is not valid\n  Set failed")
    assert session("set", "system host-name") == (
        1,
        "  The specified configuration node requires a value\n  Set failed",
    )
    assert session("set", "system host-name -") == (1, "  Invalid value\n  Value validation failed\n  Set failed")
    assert session("delete", "interfaces tunnel tun0") == (0, "  Nothing to delete (the specified node does not exist)")
    assert session("delete", "bogus") == (TO_STDERR, "  Configuration path: [bogus] is not valid\n  Delete failed")
    assert session("commit") == NO_CHANGES
    assert session("commit", "confirm") == (1, "Use commit-confirm command")
    assert session("bogus") == (1, "  Invalid command: [bogus]")
    assert session.daemon.answer("set", "no such session", ["system"]) == (
        1,
        "Invalid command: not in configuration mode",
    )


def test_a_second_commit_at_once_is_turned_away(
    daemon: Daemon, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(*command: str, check: bool = True) -> str:
        entered.set()
        assert go_on.wait(10)
        return ""

    monkeypatch.setattr(daemon.system, "run", slow)
    session.set("system host-name first")
    other = Session(daemon)
    other.set("service ssh disable-host-validation")
    committing = threading.Thread(target=session, args=("commit",))
    committing.start()
    assert entered.wait(10)
    assert other("commit") == (FAILED, LOCKED)
    go_on.set()
    committing.join(10)
    assert other("commit") == (0, "")
    assert daemon.running.value("system", "host-name") == "first"


def test_sessions_are_apart_until_they_commit(daemon: Daemon) -> None:
    one, other = Session(daemon), Session(daemon)
    one.set("system host-name one")
    assert other("show-config")[1].count("one") == 0
    one("commit")
    other.set("service ssh disable-host-validation")
    other("commit")
    assert daemon.running.value("system", "host-name") == "one"


def test_a_session_that_is_gone_leaves_nothing(daemon: Daemon) -> None:
    gone, other = Session(daemon), Session(daemon)
    gone.set("system host-name abandoned")
    daemon.forget([gone.id])
    assert gone("commit") == (1, "Invalid command: not in configuration mode")
    assert other("commit") == NO_CHANGES


def test_discard_save_and_load(session: Session, system: Recorder) -> None:
    session.set("system host-name changed")
    assert session("load") == (
        1,
        "Cannot load: configuration modified.\nCommit or discard the changes before loading a config file.",
    )
    assert session("discard") == (0, "  Changes have been discarded")
    assert session("discard") == (0, "  No changes have been discarded")
    assert session("save") == (0, "")
    session.set("system host-name changed")
    assert session("save") == (0, "Warning: you have uncommitted changes that will not be saved.\n")
    session("commit")
    assert session("compare", "saved") == (0, '[system]\n- host-name "vyos"\n+ host-name "changed"\n')
    assert session("load") == (
        0,
        "Loading configuration from 'config.boot'\nLoad complete. Use 'commit' to make changes effective.",
    )
    assert session("compare") == (0, '[system]\n- host-name "changed"\n+ host-name "vyos"\n')
    assert session("compare", "1") == (1, "  Invalid command: compare [1]")


def test_load_of_a_file_of_ones_own_is_a_way_back(session: Session, daemon: Daemon) -> None:
    before = daemon.running.copy()
    assert session("save", "/tmp/before") == (0, "")
    session.set("system host-name changed", "interfaces dummy dum0 address 192.0.2.1/32")
    session("commit")
    assert session("load", "/tmp/before")[0] == 0
    assert session("commit") == (0, "")
    assert daemon.running == before
    assert session("load", "/tmp/before")[1].splitlines()[-1] == "No configuration changes to commit."
    assert session("load", "/tmp/nothing") == (1, "No such file '/tmp/nothing'")


def test_the_timer_reboots_unless_confirmed(daemon: Daemon, session: Session, system: Recorder) -> None:
    assert session("pending") == (0, "")
    assert session("start-timer", "7") == (0, "Initialized commit-confirm; 7 minutes to confirm before reboot")
    timer = daemon.unconfirmed
    assert timer is not None
    assert (timer.interval, timer.function) == (420, daemon.system.reboot)
    session.set("system host-name changed")
    session("commit")  # an ordinary one goes on working
    assert parse_boot(system.read(BOOT_FILE)).value("system", "host-name") == "vyos"  # so that the reboot goes back
    assert session("pending") == (1, "Another confirm is pending")
    assert session("start-timer", "7") == (1, "Another confirm is pending")
    assert daemon.answer("confirm", "no session", []) == (0, "Reboot timer stopped")
    assert timer.finished.is_set()
    assert session("confirm") == (0, "No confirm pending")
    assert parse_boot(system.read(BOOT_FILE)).value("system", "host-name") == "vyos"  # it saves nothing
    assert session("pending") == (0, "\nYou should save previous commits before commit-confirm !")
    assert session("start-timer", "7m") == (
        2,
        "config-mgmt commit_confirm: error: argument -t: invalid int value: '7m'",
    )


def test_the_timer_runs_out(daemon: Daemon, session: Session, system: Recorder) -> None:
    session("start-timer", "0")
    assert daemon.unconfirmed is not None
    daemon.unconfirmed.join(10)
    assert system.log == ["reboot"]


def test_removing_an_mtu_asks_the_lease_again(session: Session, system: Recorder) -> None:
    session.set("interfaces ethernet eth0 mtu 1400")
    session("commit")
    assert system.log == ["ip link set eth0 mtu 1400 up"]
    system.forget()
    session("delete", "interfaces ethernet eth0 mtu")
    session("commit")
    assert system.log == ["ip link set eth0 mtu 1500 up", "renew dhcp eth0"]


def test_a_shell_shows_what_runs(daemon: Daemon) -> None:
    assert daemon.answer("show", "", ["interfaces"]) == (0, "output of ip")
    assert daemon.answer("show", "", ["vpn", "ipsec", "sa"]) == (0, "output of swanctl")
    assert daemon.answer("show", "", ["bogus"]) == (1, "  Invalid command: show [bogus]")
