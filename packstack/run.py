"""PackStack's run on a host: started once, apart from any SSH session, and followed by as many as it takes. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from packstack.facts import DIRECTORY

ANSWER_FILE = f"{DIRECTORY}/answers.txt"
#: held as long as PackStack runs
LOCK = f"{DIRECTORY}/lock"
#: of the latest run: what it was started with, what it printed, and once it has ended its status
RUN = f"{DIRECTORY}/run"
#: where PackStack keeps its own logs, and Puppet's
PACKSTACK_LOGS = "/var/tmp/packstack"
#: bytes of the log that are read at once
CHUNK = 65536
#: programs that PackStack finds before the system's
PROGRAMS = f"{DIRECTORY}/bin"
#: `HOME` is where PackStack writes the administrator's keystonerc
ENVIRONMENT = (
    f"HOME=/root LC_ALL=en_US.UTF-8 PATH={PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)
#: the host keys that are taken
KNOWN_HOSTS = f"{DIRECTORY}/known_hosts"
#: `ssh`, `scp` and `ssh-keyscan` for PackStack, which would send the cloud's passwords to whoever answers
SSH = f"""#!/bin/sh
program=${{0##*/}}
if [ "$program" = ssh-keyscan ]; then
  exec grep "^$1 " {KNOWN_HOSTS}
fi
# PackStack says otherwise behind these; of an option that is given twice, the first counts
exec "/usr/bin/$program" -o StrictHostKeyChecking=yes -o UserKnownHostsFile={KNOWN_HOSTS} \\
  -o GlobalKnownHostsFile=/dev/null "$@"
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

Began = Literal["started", "attached", "finished", "other"]


def start(digest: str, host_keys: Mapping[str, str]) -> str:
    """A script that starts PackStack unless it runs already; it prints one of `Began`.

    `digest` names the answers: "finished" if a run with these has ended well, "other" while one with others runs.
    `host_keys`: of all hosts, by their addresses.
    """
    known = "".join(f"{address} {key}\n" for address, key in host_keys.items())
    packstack = f"env {ENVIRONMENT} PYTHONUNBUFFERED=1 packstack --answer-file={ANSWER_FILE} 9>&-"
    # written whole: who looks finds no status or the status
    body = f"{packstack}; echo $? > {RUN}/status.new; mv {RUN}/status.new {RUN}/status"
    return f"""umask 077
mkdir -p {DIRECTORY}
same() {{ [ "$(cat {RUN}/digest 2> /dev/null)" = {digest} ]; }}
exec 9>> {LOCK}
if flock --nonblock 9; then
  if same && [ "$(cat {RUN}/status 2> /dev/null)" = 0 ]; then
    echo finished
  else
    rm -rf {RUN}
    mkdir -p {RUN} {PROGRAMS}
    echo {digest} > {RUN}/digest
    printf %s {shlex.quote(known)} > {KNOWN_HOSTS}
    printf %s {shlex.quote(SSH)} > {PROGRAMS}/ssh
    chmod 700 {PROGRAMS}/ssh
    ln -sf ssh {PROGRAMS}/scp
    ln -sf ssh {PROGRAMS}/ssh-keyscan
    setsid --fork bash -c {shlex.quote(body)} > {RUN}/log 2>&1 < /dev/null
    echo started
  fi
elif same; then
  echo attached
else
  echo other
fi
"""


def look(offset: int) -> str:
    """A script that prints how the run stands, on a line, and then what it has printed behind `offset` bytes.

    It stands at "running", its exit status, or "gone" if it has ended without one: the host was restarted.
    """
    return f"""if [ ! -e {RUN}/status ] && ! flock --nonblock {LOCK} true; then
  echo running
else
  cat {RUN}/status 2> /dev/null || echo gone
fi
tail -c +{offset + 1} {RUN}/log | head -c {CHUNK}
"""


@dataclass
class Progress:
    """What a run has printed so far, put together from pieces."""

    #: bytes that have been read
    offset: int = 0
    #: "running", an exit status or "gone"
    state: str = "running"
    _rest: bytes = b""

    def take(self, printed: bytes) -> list[str]:
        """Read what `look` printed: the lines that are complete now; the last one too once the run has ended."""
        state, _, piece = printed.partition(b"\n")
        self.state = state.decode()
        self.offset += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if self.ended and not piece:
            lines, self._rest = [*lines, self._rest], b""
        return [line for line in map(readable, lines) if line]

    @property
    def ended(self) -> bool:
        return self.state != "running"


def readable(line: bytes) -> str:
    """A line without colours and without what a carriage return has overwritten."""
    return COLOUR.sub("", line.decode(errors="replace")).rstrip().rpartition("\r")[2].strip()


def scrub() -> str:
    """A Python script that takes the secrets in its standard input's lines out of what PackStack has left behind.

    PackStack hides them in its own log. Puppet does not, in what it logs of commands; and the data that Puppet was
    given has them all, which is of no use once the run has ended.
    """
    return f"""import os, sys
secrets = [line.strip() for line in sys.stdin if line.strip()]
paths = [os.path.join(where, name) for where, _, names in os.walk("{PACKSTACK_LOGS}") for name in names]
for path in [*paths, "{RUN}/log"]:
    if "/hieradata/" in path:
        os.remove(path)
    elif path.endswith(("log", ".running", ".finished")) and os.path.isfile(path):
        with open(path, "r+", errors="surrogateescape") as file:
            before = after = file.read()
            for secret in secrets:
                after = after.replace(secret, "<secret>")
            if after != before:
                file.seek(0)
                file.truncate()
                file.write(after)
"""
