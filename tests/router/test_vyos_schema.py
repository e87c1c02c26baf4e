"""What the stand-in's schema takes, VyOS 1.4's takes too; needs VyOS's schema beside the repository."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.router.vyos_standin.schema import SCHEMA, Node

CHECK = Path(__file__).parent.parent.parent.parent / "shared/vyos-schema/check.py"
# Of each kind of value something ordinary, and the edges that tell VyOS's validators apart.
WORDS = """
0 1 2 22 30 67 68 254 255 256 535 536 1280 16000 16001 65535 65536 86400 86401 999999 1000000 4294967295 007
-1 1.5 1-2 2-1 80,443 !22 500,4500 0-5 ! * a A a1 1a -a a- a.b a_b a@b a|b a+b id any all dhcp lo eth eth0
eth0* eth* tun0 tun tun* tun0* tun00* !tun* tun*0 tun1234 tun12345 dum0 vti1 masquerade 10.0.0.1 10.0.0.1/24
10.0.0.0/24 10.0.0.255/24 10.0.0.0/31 10.0.0.1/32 0.0.0.0/0 10.0.0.0/255.255.255.0 10.0.0.1-10.0.0.9
10.0.0.9-10.0.0.1 !10.0.0.0/24 !10.0.0.1 010.0.0.1 ::1 2001:db8::/64 tcp udp tcp_udp icmp esp ah gre ipip
ipencap ospf vrrp sctp 4 !udp ip-in-ip accept drop reject return continue established related invalid new ipip
gre clamp-mss-to-pmtu pre-shared-secret initiate respond none trap start clear restart tunnel transport enable
disable aes128 aes192 aes256 aes128gcm128 aes192gcm128 aes256gcm128 aes256gcm64 aes256gcm96 chacha20poly1305
sha1 sha256 sha384 sha512 aesxcbc aescmac prfsha1 prfsha256 prfsha384 prfsha512 ikev1 ikev2
echo-request echo-reply time-exceeded info-reply address-mask-reply ping
"""
CANDIDATES = (
    *WORDS.split(),
    *(f"dh-group{group}" for group in range(1, 34)),
    *(str(group) for group in range(3, 34)),
    "a b",
    "x" * 63,
    "x" * 64,
    "x" * 255,
    "x" * 256,
    "ü",
)


def accepted(node: Node, path: str) -> Iterator[str]:
    """A line for each node, and for each value that its check takes; a path goes on below its first tag only."""
    for name, child in node.children.items():
        at = f"{path} {name}"
        if child.kind in ("tag", "leaf", "multi"):
            values = [value for value in CANDIDATES if child.check and child.check(value)]
            assert values, f"no candidate for {at}"
            yield from (f"{at} '{value}'" for value in values)
            at = f"{at} '{values[0]}'"
        else:
            yield at
        yield from accepted(child, at)


def test_what_the_stand_in_takes_vyos_takes() -> None:
    if not CHECK.exists():
        pytest.skip("VyOS's schema is not here")
    lines = list(accepted(SCHEMA, "set"))
    assert len(lines) > 1000
    done = subprocess.run(
        [sys.executable, str(CHECK), "-", "--version", "1.4"], input="\n".join(lines), capture_output=True, text=True
    )
    errors = [line for line in done.stdout.splitlines() if ": ERROR: " in line]
    assert errors == []
    assert done.returncode == 0
