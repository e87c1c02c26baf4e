"""The scripts for routers and Linux VMs, run by a shell here with other commands in the place of the system's."""

from __future__ import annotations

import dataclasses
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from health import collect, texts
from health.facts import Linux, Router
from tests.health.sound import Sound
from vyos_provider.ssh import SHOW

KEY = "c0ffee" * 10
SHOWN = f"""set interfaces tunnel tun2 remote '203.0.113.52'
set vpn ipsec authentication psk tokyo-osaka id '10.255.0.1'
set vpn ipsec authentication psk tokyo-osaka secret '{KEY}'
set system login user vyos authentication encrypted-password '$6$secret$'
set protocols bgp neighbor 192.0.2.1 password 'two secret$ words'
set firewall ipv4 forward filter rule 7 description 'no key, no secret of ours'
set system login user vyos authentication public-keys me key 'AAAAsecret'
"""
#: a path on which small packets are answered at once, and larger ones than $CARRIES are not
PING = """#!/bin/bash
while [ $# -gt 1 ]; do [ "$1" = -s ] && size=$2; shift; done
echo "$1 $size" >> "$0.log"
if [ -n "$size" ]; then [ $((size + 28)) -le $CARRIES ]; exit; fi
echo '10 packets transmitted, 10 received, 0% packet loss, time 9ms'
echo 'rtt min/avg/max/mdev = 1/2.5/3/0 ms'
"""
REFUSED = "06[IKE] <tokyo-osaka|3> received NO_PROPOSAL_CHOSEN notify error"
AGREED = "05[IKE] <tokyo-osaka|4> CHILD_SA tokyo-osaka-tunnel-0{1} established with SPIs c1_i c2_o and TS 192.0.2.0/24"


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A directory of commands that come before the system's."""
    for name, text in {
        "ping": PING,
        "sudo": '#!/bin/bash\nexec "$@"\n',
        "swanctl": "#!/bin/bash\necho 'list-sas reply {}'\n",
        "journalctl": f"#!/bin/bash\nprintf '%s\\n' '{REFUSED}' '{AGREED}' other\n",
        "ip": "#!/bin/bash\n[ \"$3\" = get ] && echo 'RTNETLINK answers: No route to host' >&2 && exit 2\necho '[]'\n",
        "show": f"#!/bin/bash\ncat <<'END'\n{SHOWN}END\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(script: str, commands: Path, carries: int = 1500) -> str:
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{commands}:/usr/bin:/bin", "CARRIES": str(carries)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.fixture
def sound() -> Sound:
    made = Sound("tokyo", "osaka")
    assert made.stack.dns
    nobody = {"tokyo": "127.0.0.1", "osaka": "127.0.0.1"}  # nothing leaves this machine
    made.stack = dataclasses.replace(made.stack, dns=dataclasses.replace(made.stack.dns, servers=nobody))
    return made


def test_a_router_gives_facts_and_no_secret(sound: Sound, commands: Path) -> None:
    script = collect.router_script("tokyo", list(sound.stack.links), sound.stack).replace(SHOW, "show")
    printed = run(script, commands)
    assert KEY not in printed
    assert "secret$" not in printed
    assert "AAAAsecret" not in printed
    found: Router = collect.router_facts(texts.parts_of(printed), 0.0)
    assert found.key_digests == {"tokyo-osaka": sha256(KEY.encode()).hexdigest()}
    assert found.lines == (
        ("interfaces", "tunnel", "tun2", "remote", "203.0.113.52"),
        ("vpn", "ipsec", "authentication", "psk", "tokyo-osaka", "id", "10.255.0.1"),
        ("firewall", "ipv4", "forward", "filter", "rule", "7", "description", "no key, no secret of ours"),
    )
    assert found.log == (REFUSED, AGREED)
    assert found.tunnel_pings["tokyo-osaka"].received == found.lan_pings["tokyo-osaka"].received == 10
    assert set((commands / "ping.log").read_text().split()) == {"10.255.0.2", "192.168.20.254"}


@pytest.mark.parametrize("carries", [0, 576, 1280, 1373, 1374, 1375, 1450, 1500])
def test_the_largest_packet_is_found(sound: Sound, commands: Path, carries: int) -> None:
    """With few packets where the path is as expected: each that is lost costs a second."""
    script = collect.linux_script("tokyo", list(sound.stack.links), sound.stack)
    found: Linux = collect.linux_facts(texts.parts_of(run(script, commands, carries)), 0.0)
    assert found.mtus == {"osaka": carries}
    assert found.pings["osaka"].milliseconds == 2.5
    assert found.routes["osaka"].refusal == "RTNETLINK answers: No route to host"
    assert found.names == {"tokyo": None, "osaka": None}
    sizes = [line for line in (commands / "ping.log").read_text().splitlines() if " " in line.strip()]
    assert len(sizes) <= (4 if carries == 1374 else 24)
