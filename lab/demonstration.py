"""What `make up` ends with: traffic from one site's Linux VM to the other's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.machines import CommandFailed, Machines, machines
from lab.sites import DEFAULT, INTERNET

PORT = 7000


def demonstrate(outputs: dict[str, Any]) -> None:
    """A ping and a TCP exchange from the Tokyo Linux VM to the Osaka Linux VM, by its address on its LAN."""
    tokyo, osaka = (outputs["sites"][name] for name in DEFAULT)
    with machines(outputs, INTERNET) as at:
        print(f"\ntokyo {tokyo['linuxAddress']} → osaka {osaka['linuxAddress']}\n")
        print(at.run("tokyo", "linux", f"ping -c 3 {osaka['linuxAddress']}").stdout)
        print(f"TCP: tokyo hears {exchange(at, osaka['linuxAddress'])!r}\n")


def exchange(at: Machines, address: str) -> str:
    """A line each way over one TCP connection to the Osaka Linux VM; what Tokyo hears."""
    line = 'echo "hello from $(hostname)"'
    with ThreadPoolExecutor() as pool:
        listener = pool.submit(at.run, "osaka", "linux", f"{line} | timeout 20 nc -N -l {PORT}")
        tries = f"for try in $(seq 20); do {line} | nc -N -w 5 {address} {PORT} && exit 0; sleep 0.3; done; exit 1"
        answer, heard = at.run("tokyo", "linux", tries).stdout.strip(), listener.result().stdout.strip()
    if not answer.startswith("hello from ") or not heard.startswith("hello from "):
        raise CommandFailed(f"TCP from tokyo to osaka: tokyo heard {answer!r}, osaka heard {heard!r}")
    return answer
