"""What passes on the bridge that stands for the internet."""

from __future__ import annotations

import ipaddress
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from lab.network import BRIDGE
from lab.sites import INTERNET

ETHERNET_HEADER = 14


@dataclass(frozen=True)
class Packet:
    """An IPv4 packet: its protocol number, and its payload's where that is another IPv4 packet (else -1)."""

    source: str
    target: str
    protocol: int
    inner_protocol: int
    data: bytes


class Capture:
    """tcpdump between two addresses, for as long as a with block lasts."""

    def __init__(self, addresses: list[str]) -> None:
        self._filter = f"host {addresses[0]} and host {addresses[1]}"
        self._file = Path(tempfile.mkdtemp()) / "wire.pcap"

    def __enter__(self) -> Capture:
        self._tcpdump = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                INTERNET,
                "tcpdump",
                "-i",
                BRIDGE,
                "-U",
                "-Z",
                "root",
                "-w",
                str(self._file),
                self._filter,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._tcpdump.stderr
        for line in self._tcpdump.stderr:
            if "listening on" in line:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(1)  # what the kernel has not handed over yet
        self._tcpdump.terminate()
        self._tcpdump.communicate()

    def packets(self) -> list[Packet]:
        """The IPv4 packets; ARP is left out."""
        content, found, at = self._file.read_bytes(), [], 24
        while at + 16 <= len(content):
            (length,) = struct.unpack_from("<I", content, at + 8)
            frame = content[at + 16 : at + 16 + length]
            at += 16 + length
            if frame[12:14] == b"\x08\x00":
                found.append(parse(frame[ETHERNET_HEADER:]))
        return found


def parse(data: bytes) -> Packet:
    header, protocol = (data[0] & 15) * 4, data[9]
    return Packet(
        str(ipaddress.IPv4Address(data[12:16])),
        str(ipaddress.IPv4Address(data[16:20])),
        protocol,
        data[header + 9] if protocol == 4 else -1,
        data,
    )
