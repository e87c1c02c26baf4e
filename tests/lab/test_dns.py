"""The stack's DNS at both sites: answers, what DHCP says, records of the program's and of others, another primary."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.machines import Machines
from tests.lab.conftest import Stack
from tests.lab.routers import ENDS, poll

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def dns(running: Stack) -> Iterator[dict[str, Any]]:
    """The stack's output; the configuration is as it was afterwards."""
    before = running.configuration("dns")
    yield running.outputs()["dns"]
    running.configure(dns=before)
    running.up()


def ask(machines: Machines, site: str, server: str, name: str, kind: str = "A") -> list[str]:
    """What a server answers to a site's Linux VM."""
    return machines.run(site, "linux", f"kdig +short +timeout=2 +retry=1 @{server} {name} {kind}").stdout.split()


def configured(running: Stack, **keys: Any) -> None:
    """Use the configuration with other keys in its `dns`."""
    running.configure(dns={**running.configuration("dns"), **keys})


@pytest.mark.parametrize(("site", "peer"), ENDS)
def test_both_servers_answer_both_sites_forward_and_reverse(
    running: Stack, machines: Machines, dns: dict[str, Any], site: str, peer: str
) -> None:
    about = running.outputs()["sites"][peer]
    for server in (dns["servers"][site], dns["servers"][peer]):
        assert ask(machines, site, server, f"{peer}-linux.corp.example") == [about["linuxAddress"]]
        assert ask(machines, site, server, f"{peer}-vyos.corp.example") == [about["vyosLanAddress"]]
        assert ask(machines, site, server, "wiki.corp.example") == [
            "www.corp.example.", "192.168.10.80", "192.168.20.80"
        ]  # fmt: skip
        reverse = ".".join(reversed(about["linuxAddress"].split("."))) + ".in-addr.arpa"
        assert ask(machines, site, server, reverse, "PTR") == [f"{peer}-linux.corp.example."]


@pytest.mark.parametrize(("site", "peer"), ENDS)
def test_dhcp_hands_out_both_servers_the_own_one_first(
    machines: Machines, dns: dict[str, Any], site: str, peer: str
) -> None:
    resolver = machines.run(site, "linux", "cat /etc/resolv.conf").stdout.splitlines()
    assert resolver == [
        f"nameserver {dns['servers'][site]}", f"nameserver {dns['servers'][peer]}", f"options {dns['resolverOptions']}"
    ]  # fmt: skip
    found = machines.run(site, "linux", f"getent hosts {peer}-linux.corp.example").stdout.split()
    assert found == [dns["servers"][peer], f"{peer}-linux.corp.example"]


def test_a_zone_is_for_those_with_the_key(running: Stack, machines: Machines, dns: dict[str, Any]) -> None:
    refused = machines.run("tokyo", "linux", f"kdig @{dns['servers']['osaka']} corp.example AXFR", check=False)
    assert "NOTAUTH" in refused.stdout + refused.stderr
    key, query = running.outputs()["dnsKey"], f"@{dns['servers']['osaka']} corp.example AXFR"
    given = machines.run("tokyo", "linux", f"cat > key; kdig -k key {query}; rm key", stdin=key).stdout
    assert "tokyo-vyos.corp.example." in given
    exported = running.pulumi("stack", "export")
    assert key.split(":")[2] not in exported + "".join(running.printed)


def test_a_record_is_at_both_sites_when_up_ends_and_no_machine_is_made_anew(
    running: Stack, machines: Machines, dns: dict[str, Any]
) -> None:
    records = running.configuration("dns")["records"]
    configured(running, records=[*records, {"name": "new", "type": "A", "values": ["192.168.10.81"]}])
    start = time.monotonic()
    shown = running.up()
    assert time.monotonic() - start < 30
    assert set(re.findall(r"(\S+) (?:creat|updat|delet|replac)ed \(", shown)) == {"dns-tokyo", "dns-osaka"}
    for site, peer in ENDS:
        assert ask(machines, site, dns["servers"][peer], "new.corp.example") == ["192.168.10.81"]
    configured(running, records=records)
    running.up()
    assert ask(machines, "tokyo", dns["servers"]["osaka"], "new.corp.example") == []
    running.up("--expect-no-changes")


def update(running: Stack, machines: Machines, dns: dict[str, Any], primary: str, change: str) -> None:
    """An operator's dynamic update, from the other site."""
    lines = [
        f"server {dns['servers'][primary]}",
        "zone corp.example",
        "origin corp.example",
        f"update {change}",
        "send",
    ]
    site = "osaka" if primary == "tokyo" else "tokyo"
    machines.run(site, "linux", "cat > key", stdin=running.outputs()["dnsKey"])
    machines.run(site, "linux", "knsupdate -k key; status=$?; rm key; exit $status", stdin="\n".join(lines) + "\n")


def test_others_records_outlive_updates_and_a_change_of_primaries(
    running: Stack, machines: Machines, dns: dict[str, Any]
) -> None:
    records = running.configuration("dns")["records"]
    update(running, machines, dns, "tokyo", "add printer 60 A 192.168.10.9")
    poll(lambda: ask(machines, "osaka", dns["servers"]["osaka"], "printer.corp.example"), 5, "the secondary has it")
    configured(running, primary="osaka", records=[*records, {"name": "new", "type": "TXT", "values": ["of osaka"]}])
    running.up()
    assert running.outputs()["dns"]["primary"] == "osaka"
    update(running, machines, dns, "osaka", "add scanner 60 A 192.168.20.9")
    poll(lambda: ask(machines, "tokyo", dns["servers"]["tokyo"], "scanner.corp.example"), 5, "the secondary has it")
    configured(running, primary="tokyo", records=records)
    running.up()
    for server in dns["servers"].values():
        assert ask(machines, "tokyo", server, "corp.example", "SOA")[0] == "tokyo-linux.corp.example."
        assert ask(machines, "tokyo", server, "printer.corp.example") == ["192.168.10.9"]
        assert ask(machines, "tokyo", server, "scanner.corp.example") == ["192.168.20.9"]
        assert ask(machines, "tokyo", server, "new.corp.example", "TXT") == []
    for name in ("printer", "scanner"):
        update(running, machines, dns, "tokyo", f"delete {name} A")


def test_the_own_resolver_turns_to_the_other_site(machines: Machines, dns: dict[str, Any]) -> None:
    machines.run("tokyo", "linux", "sudo systemctl stop knot")
    start = time.monotonic()
    found = machines.run("tokyo", "linux", "getent hosts osaka-linux.corp.example").stdout.split()
    assert found[0] == dns["servers"]["osaka"]
    assert time.monotonic() - start < 5, "the next server is asked after a second"
    machines.run("tokyo", "linux", "sudo systemctl start knot")
    assert ask(machines, "osaka", dns["servers"]["tokyo"], "www.corp.example") == ["192.168.10.80", "192.168.20.80"]
