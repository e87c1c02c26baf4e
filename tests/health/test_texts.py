"""What real machines printed, read: Debian 12's iproute2 and ping, strongSwan 5.9.8, Knot 3.2 (see texts/)."""

from __future__ import annotations

from pathlib import Path

import pytest

from health import questions, texts
from health.facts import ChildSa, IkeSa, NameAnswer, Ping, Route, Tunnel

TEXTS = Path(__file__).parent / "texts"
ANSWERED = """PING 192.168.20.245 (192.168.20.245) 56(84) bytes of data.
64 bytes from 192.168.20.245: icmp_seq=1 ttl=62 time=6.06 ms

--- 192.168.20.245 ping statistics ---
10 packets transmitted, 9 received, 10% packet loss, time 1816ms
rtt min/avg/max/mdev = 5.142/6.034/6.885/0.597 ms
"""
SILENT = """PING 192.168.10.99 (192.168.10.99) 56(84) bytes of data.

--- 192.168.10.99 ping statistics ---
2 packets transmitted, 0 received, 100% packet loss, time 205ms

"""
REFUSED = """PING 192.168.20.245 (192.168.20.245) 56(84) bytes of data.
From 192.168.10.254 icmp_seq=1 Destination Host Unreachable

--- 192.168.20.245 ping statistics ---
3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 405ms
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ANSWERED, Ping(10, 9, 6.034)),
        (SILENT, Ping(2, 0)),
        (REFUSED, Ping(3, 0)),
        ("ping: connect: Network is unreachable\n", Ping(0, 0)),
    ],
)
def test_ping(text: str, expected: Ping) -> None:
    assert texts.ping(text) == expected


def test_loss_of_nothing_sent_is_all() -> None:
    assert Ping(0, 0).loss == 1
    assert Ping(10, 9).loss == pytest.approx(0.1)


def child(spi_in: str, spi_out: str, age: int, packets: tuple[int, int] = (0, 0)) -> ChildSa:
    return ChildSa(
        state="INSTALLED", spi_in=spi_in, spi_out=spi_out, packets_in=packets[0], packets_out=packets[1],
        age=age, rekey_in=3600 - age,
    )  # fmt: skip


def test_associations() -> None:
    """Both ends have begun at once: two associations with three ESP pairs."""
    assert texts.associations((TEXTS / "list-sas.raw").read_text()) == (
        IkeSa(
            name="tokyo-osaka", state="ESTABLISHED", age=44, rekey_in=27399,
            children=(child("c358290e", "cd63fbe8", 44), child("cae03cdb", "c02103b4", 43, (18, 20))),
        ),
        IkeSa(
            name="tokyo-osaka", state="ESTABLISHED", age=44, rekey_in=26403,
            children=(child("c01d62d5", "c4a84d7a", 44),),
        ),
    )  # fmt: skip


def test_associations_that_are_still_made_and_none() -> None:
    connecting = (
        "list-sa event {tokyo-osaka {uniqueid=2 version=2 state=CONNECTING local-host=10.255.0.1 child-sas {}}}\n"
    )
    assert texts.associations(connecting + "list-sas reply {}\n") == (IkeSa(name="tokyo-osaka", state="CONNECTING"),)
    assert texts.associations("list-sas reply {}\n") == ()


def test_tunnels() -> None:
    assert texts.tunnels((TEXTS / "ip-address.json").read_text())["tun2"] == Tunnel(
        up=True,
        mtu=1430,
        addresses=("10.255.0.1/30", "fe80::5efe:ac1f:103/64"),
        local="172.31.1.3",
        remote="203.0.113.173",
    )
    assert texts.tunnels("") == {}


def test_routes() -> None:
    assert texts.route((TEXTS / "ip-route-get.json").read_text()) == Route("192.168.10.254")
    refusal = "RTNETLINK answers: No route to host"
    assert texts.route(f"{refusal}\n") == Route("", refusal)
    on_link = '[{"dst":"192.168.20.245","dev":"eth0","prefsrc":"192.168.10.123","flags":[],"cache":[]}]'
    assert texts.route(on_link) == Route("", "no gateway, on eth0")


def test_what_is_no_json_is_not_taken_for_nothing() -> None:
    with pytest.raises(texts.Garbled, match=r"^ip address: "):
        texts.tunnels("Object")


#: a server of the zone vpn.internal, asked for SOA and NS
SOA = "dnCEAAABAAEAAAAAA3ZwbghpbnRlcm5hbAAABgABwAwABgABAAAAPAAsAm5zBXRva3lvwAwKaG9zdG1hc3RlcsAMeKV+VQAAADwAAAAeAAFRgAAAADw="
NS = (
    "dnCEAAABAAIAAAACA3ZwbghpbnRlcm5hbAAAAgABwAwAAgABAAAAPAALAm5zBW9zYWthwAzADAACAAEAAAA8AAsCbnMFdG9reW/ADMAqAAEAAQAA"
    "ADwABMCoFAfAQQABAAEAAAA8AATAqAoH"
)


def test_name_servers_answers() -> None:
    assert questions.answer(f"{SOA}\n{NS}\n") == NameAnswer(2024111701, "192.168.10.7")
    assert questions.answer(f"{SOA}\n") == NameAnswer(2024111701, "ns.tokyo.vpn.internal"), "only the name is known"
    assert questions.answer("") is None
    assert questions.answer(f"{NS}\n") is None
    assert questions.answer("dnCE\n") is None


def test_parts() -> None:
    parts = texts.parts_of("=== clock\n1\n\n=== ping a\nx\n\ny\n=== ping b\n")
    assert parts == {"clock": "1", "ping a": "x\n\ny", "ping b": ""}
    assert texts.below(parts, "ping") == {"a": "x\n\ny", "b": ""}
