"""What `make up` ends with: traffic from one site's Linux VM to the other's, and names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.machines import CommandFailed, Machines, machines
from lab.sites import DEFAULT, INTERNET

PORT = 7000


def demonstrate(outputs: dict[str, Any]) -> None:
    """A ping and a TCP exchange from the Tokyo Linux VM to the Osaka one, by its address on its LAN; then names."""
    tokyo, osaka = (outputs["sites"][name] for name in DEFAULT)
    with machines(outputs, INTERNET) as at:
        print(f"\ntokyo {tokyo['linuxAddress']} → osaka {osaka['linuxAddress']}\n")
        print(at.run("tokyo", "linux", f"ping -c 3 {osaka['linuxAddress']}").stdout)
        print(f"TCP: tokyo hears {exchange(at, osaka['linuxAddress'])!r}\n")
        print(f"DNS: {resolved(at, outputs['dns'])}\n")


def resolved(at: Machines, dns: dict[str, Any]) -> str:
    """What Tokyo hears from Osaka's name server, and Osaka from whichever its own resolver asks."""
    domain, server = dns["domain"], dns["servers"]["osaka"]
    answer = at.run("tokyo", "linux", f"kdig +short @{server} www.{domain}").stdout.split()
    found = at.run("osaka", "linux", f"getent hosts tokyo-linux.{domain}").stdout.split()
    if not answer or not found:
        raise CommandFailed(f"DNS: osaka's server answered {answer} to tokyo, and osaka's resolver found {found}")
    return f"tokyo hears from {server} that www.{domain} is {', '.join(answer)}; osaka finds {found[1]} at {found[0]}"


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
