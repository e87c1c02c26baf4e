#!/usr/bin/python3
"""Stand-ins for the tools of an Enterprise Linux 9 host: each is this file under its own name.

They keep a small state, note what they were asked, and refuse every word that they do not know: a test that asks for
something else fails. `STATE` may be changed from outside to make the host another one.
"""

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Host = dict[str, Any]
Said = str | tuple[str, int]

HOME = Path("/var/lib/standin")
STATE, LOG, OUTSIDE = HOME / "state.json", HOME / "log", HOME / "outside"
RELEASE = "centos-release-openstack-dalmatian"
#: where packages come from, by the repository that has them
REPOSITORIES = {
    "baseos": ["chrony", "glibc-langpack-en", "dnf-plugins-core", "openssh-clients", "tar", "nc", "yum-utils"],
    "appstream": ["rubygem-json"],
    "extras-common": [RELEASE],
    "crb": [],
    "centos-openstack-dalmatian": ["openstack-packstack", "python3-openstackclient", "puppet", "hiera"],
}
UNITS = ("chronyd", "firewalld", "NetworkManager")
DEFAULTS: Host = {
    "hostname": "localhost",
    "locales": ["C.utf8", "POSIX"],
    "locale": "C.UTF-8",
    "memory": 33 << 30,
    "disk": 200 << 30,
    "virtualization": "VT-x",
    "synchronized": False,
    "units": {"firewalld": True, "NetworkManager": True, "chronyd": False},
    "repositories": ["baseos", "appstream", "extras-common"],
    "packages": ["openssh-clients", "tar"],
    "updates": 7,
    "selinux": "Enforcing",
    "unmanaged": [],
    "swap": {},
    "made_swap": [],
    "sysctl": {"net.ipv4.ip_forward": "0"},
    "broken": [],
}


class Refused(Exception):
    """The tool knows no such arguments, or cannot do that."""


@contextlib.contextmanager
def state() -> Iterator[Host]:
    """The host's state, written back if it was changed."""
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = {**DEFAULTS, **(json.loads(STATE.read_text()) if STATE.exists() else {})}
        yield kept
        new = STATE.with_suffix(".new")
        new.write_text(json.dumps(kept))
        new.replace(STATE)


def available(host: Host) -> list[str]:
    """The packages that the enabled repositories have."""
    return [package for repository in host["repositories"] for package in REPOSITORIES[repository]]


def install(host: Host, packages: list[str]) -> str:
    for package in packages:
        if package not in host["packages"] and package not in available(host):
            raise Refused(f"No match for argument: {package}")
        if package not in host["packages"]:
            host["packages"].append(package)
        if package == RELEASE and "centos-openstack-dalmatian" not in host["repositories"]:
            host["repositories"].append("centos-openstack-dalmatian")
            host["updates"] += 3
        if package == "glibc-langpack-en" and "en_US.utf8" not in host["locales"]:
            host["locales"].append("en_US.utf8")
        if package == "openstack-packstack":
            if "crb" not in host["repositories"]:
                raise Refused("nothing provides python3-pyparsing needed by openstack-packstack")
            Path("/usr/bin/packstack").write_text(PACKSTACK)
            Path("/usr/bin/packstack").chmod(0o755)
    return "Complete!"


#: the real one
PACKSTACK = """#!/usr/bin/python3
from packstack.installer.run_setup import main
main()
"""


def rpm_query(host: Host, packages: list[str]) -> Said:
    lines = [f"{name}-26.0.0-1.el9.noarch" if name in host["packages"] else f"package {name} is not installed"
             for name in packages]  # fmt: skip
    return "\n".join(lines), sum(name not in host["packages"] for name in packages)


def dnf(host: Host, words: list[str]) -> Said:
    match words:
        case ["--quiet", "repolist", "--enabled"]:
            return "repo id            repo name\n" + "\n".join(f"{name}  name of it" for name in host["repositories"])
        case ["--quiet", "repoquery", "--available", name]:
            return f"{name}-0:1-1.el9s.noarch" if name in available(host) else ""
        case ["--quiet", "check-update"]:
            return "\n".join(f"package{n}.noarch 2-1 baseos" for n in range(host["updates"])), 100 * (
                host["updates"] > 0
            )
        case ["--assumeyes", "install", *packages]:
            return install(host, packages)
        case ["--assumeyes", "update"]:
            host["updates"] = 0
            return "Complete!"
        case ["config-manager", "--set-enabled", "crb"] if "dnf-plugins-core" in host["packages"]:
            host["repositories"] += ["crb"]
            return ""
    raise Refused(f"No such command: {words}")


def yum(host: Host, words: list[str]) -> Said:
    """As PackStack calls it."""
    match words:
        case ["install" | "update", "-y", *packages]:
            return install(host, packages)
        case ["clean", "metadata"]:
            return "Cache was expired"
    raise Refused(f"No such command: {words}")


def rpm(host: Host, words: list[str]) -> Said:
    match words:
        case ["--query", "--queryformat", "%{VERSION}", name] if name in host["packages"]:
            return "26.0.0"
        case ["--query", *packages] if packages and not packages[0].startswith("-"):
            return rpm_query(host, packages)
        case ["-q", "--whatprovides", name]:
            return rpm_query(host, [name])
        case ["-q", "kernel", "--last"]:
            return f"kernel-{os.uname().release} now"
        case ["-qa", form] if form.startswith("--qf="):
            return "\n".join(f"{name}-1-1.el9s.noarch" for name in host["packages"])
        case ["-q", name, *form] if not form or form[0].startswith("--qf="):
            return rpm_query(host, [name])
    raise Refused(f"unknown option: {words}")


def systemctl(host: Host, words: list[str]) -> Said:
    match words:
        case []:
            return "\n".join(f"{unit}.service loaded" for unit in UNITS)
        case ["is-enabled", unit]:
            on = host["units"].get(unit)
            return ("enabled", 0) if on else ("disabled", 1)
        case ["is-active", unit]:
            on = host["units"].get(unit)
            return ("active", 0) if on else ("inactive", 3)
        case [("enable" | "disable") as verb, "--now", ("chronyd" | "firewalld" | "NetworkManager") as unit]:
            if unit == "chronyd" and "chrony" not in host["packages"]:
                raise Refused("Unit file chronyd.service does not exist.")
            host["units"][unit] = verb == "enable"
            return ""
    raise Refused(f"Unknown command verb: {words}")


def nmcli(host: Host, words: list[str]) -> Said:
    interfaces = re.findall(
        r"^\d+: ([^:@]+)", subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout, re.M
    )
    match words:
        case ["--terse", "--fields", "DEVICE,STATE", "device", "status"]:
            return "\n".join(
                f"{name}:{'unmanaged' if name in host['unmanaged'] else 'connected'}" for name in interfaces
            )
        case ["general", "reload"]:
            return ""
        case ["device", "set", name, "managed", "no"] if name in interfaces:
            host["unmanaged"].append(name)
            return ""
    raise Refused(f"Error: argument {words} not understood")


def swapon(host: Host, words: list[str]) -> Said:
    match words:
        case ["--show=NAME,SIZE", "--bytes", "--noheadings"]:
            return "\n".join(f"{name} {size}" for name, size in host["swap"].items())
        case [path] if path in host["made_swap"] and os.stat(path).st_mode & 0o777 == 0o600:
            host["swap"][path] = os.path.getsize(path)
            return ""
    raise Refused(f"swapon: bad usage: {words}")


def sysctl(host: Host, words: list[str]) -> Said:
    match words:
        case ["--values", name] if name in host["sysctl"]:
            return str(host["sysctl"][name])
        case [load] if load.startswith("--load="):
            lines = [
                line for line in Path(load.removeprefix("--load=")).read_text().splitlines() if line[:1] not in "#"
            ]
            for name, value in (re.split(r"\s*=\s*", line) for line in lines):
                if name not in host["sysctl"]:
                    raise Refused(f"sysctl: cannot stat /proc/sys/{name}")
                host["sysctl"][name] = value
            return ""
    raise Refused(f"sysctl: unknown: {words}")


def simple(host: Host, tool: str, words: list[str]) -> str:
    """The tools that have few words."""
    match tool, words:
        case "lscpu", []:
            kind = host["virtualization"]
            return "Architecture: x86_64\n" + (f"Virtualization:  {kind}\n" if kind else "")
        case "free", ["--bytes"]:
            return f"        total  used  free\nMem:  {host['memory']}  1  1\nSwap: 0 0 0"
        case "df", ["--block-size=1", "--output=avail", "/", "/var"]:
            return f"Avail\n{host['disk']}\n{host['disk']}"
        case "hostnamectl", ["hostname"]:
            return str(host["hostname"])
        case "hostnamectl", ["set-hostname", name]:
            host["hostname"] = name
        case "locale", ["-a"]:
            return "\n".join(host["locales"])
        case "localectl", ["status"]:
            return f"System Locale: LANG={host['locale']}\n    VC Keymap: us"
        case "localectl", ["set-locale", "LANG=en_US.UTF-8"] if "en_US.utf8" in host["locales"]:
            host["locale"] = "en_US.UTF-8"
        case "timedatectl", ["show"]:
            return f"Timezone=UTC\nNTP=yes\nNTPSynchronized={'yes' if host['synchronized'] else 'no'}"
        case "chronyc", ["-a", "makestep"] if host["units"]["chronyd"]:
            return "200 OK"
        case "chronyc", ["waitsync", "60", "0.1", "0", "1"] if host["units"]["chronyd"]:
            host["synchronized"] = True
        case "getenforce", []:
            return str(host["selinux"])
        case "setenforce", ["0"]:
            host["selinux"] = "Permissive"
        case "fallocate", ["--length", size, path]:
            os.truncate(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), int(size))
        case "mkswap", [path] if os.path.exists(path):
            host["made_swap"].append(path)
        case "restorecon", ["-r", path] if os.path.exists(path):
            pass
        case "subscription-manager", ["identity"]:
            raise Refused("This system is not yet registered.")
        case "facter", ["-p"]:
            return f"hostname => {host['hostname']}\nprocessorcount => 2"
        case _:
            raise Refused(f"{tool}: unknown arguments {words}")
    return ""


def puppet(words: list[str]) -> str:
    """Outside the state's lock: it may take long."""
    match words:
        case ["config", "print", "hiera_config"]:
            return "/etc/puppet/hiera.yaml"
        case ["apply", "--modulepath", modules, manifest] if os.path.isdir(modules) and os.path.isfile(manifest):
            return apply(Path(manifest))
    raise Refused(f"puppet: unknown arguments {words}")


def apply(manifest: Path) -> str:
    """Puppet's place: what it would do for the controller is asked from outside, if somebody serves there."""
    hiera = (manifest.parent.parent / "hieradata/defaults.yaml").read_text()
    values = dict(re.findall(r"^(CONFIG_\w+): (.*)$", hiera, re.MULTILINE))
    while (HOME / "hold").exists():
        time.sleep(0.05)
    if (HOME / "fail").exists():
        return f"Error: Could not start Service[nova]: {values['CONFIG_NOVA_KS_PW']}"
    if manifest.name.endswith("_controller.pp"):
        cloud = {
            "auth_url": f"http://{values['CONFIG_CONTROLLER_HOST']}:5000/v3", "region": values["CONFIG_KEYSTONE_REGION"],
            "user": "admin", "password": values["CONFIG_KEYSTONE_ADMIN_PW"],
        }  # fmt: skip
        if OUTSIDE.exists():
            (OUTSIDE / "ask.new").write_text(json.dumps(cloud))
            (OUTSIDE / "ask.new").rename(OUTSIDE / "ask")
            while not (OUTSIDE / "answer").exists():
                time.sleep(0.2)
            cloud = json.loads((OUTSIDE / "answer").read_text())
        Path("/root/keystonerc_admin").write_text(KEYSTONERC.format(**cloud))
        Path("/root/keystonerc_admin").chmod(0o600)
    # as Puppet does of a command that fails once and is tried again
    return f"Notice: Applied catalog\nDebug: Executing: openstack --os-password {values['CONFIG_KEYSTONE_ADMIN_PW']}"


KEYSTONERC = """unset OS_SERVICE_TOKEN
export OS_USERNAME={user}
export OS_PASSWORD='{password}'
export OS_REGION_NAME={region}
export OS_AUTH_URL={auth_url}
export PS1='[\\u@\\h \\W(keystone_admin)]\\$ '

export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_IDENTITY_API_VERSION=3
"""

TOOLS: dict[str, Callable[[Host, list[str]], Said]] = {
    "dnf": dnf,
    "yum": yum,
    "rpm": rpm,
    "systemctl": systemctl,
    "nmcli": nmcli,
    "swapon": swapon,
    "sysctl": sysctl,
}
SIMPLE = (
    "lscpu", "free", "df", "hostnamectl", "locale", "localectl", "timedatectl", "chronyc", "getenforce", "setenforce",
    "fallocate", "mkswap", "restorecon", "subscription-manager", "facter",
)  # fmt: skip


def main() -> Said:
    tool, words = Path(sys.argv[0]).name, sys.argv[1:]
    if tool == "puppet":
        note({"tool": tool, "words": words})
        return puppet(words)
    with state() as host:
        before = json.dumps(host, sort_keys=True)
        if " ".join([tool, *words]) in host["broken"]:
            raise Refused(f"{tool}: broken")
        said = TOOLS[tool](host, words) if tool in TOOLS else simple(host, tool, words)
        note({"tool": tool, "words": words, "changed": json.dumps(host, sort_keys=True) != before})
        return said


def note(entry: dict[str, Any]) -> None:
    with LOG.open("a") as log:
        log.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    try:
        said = main()
    except Refused as refusal:
        note({"tool": Path(sys.argv[0]).name, "words": sys.argv[1:], "refused": str(refusal)})
        print(refusal, file=sys.stderr)
        sys.exit(2)
    text, status = said if isinstance(said, tuple) else (said, 0)
    if text:
        print(text)
    sys.exit(status)
