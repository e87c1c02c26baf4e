"""The layers of a site's root: Debian with OpenStack's packages, the golden layer, and the images on top.

Each is built once and kept under a key of all that goes into it; a site is an overlay over the three. A layer that a
site uses is never changed: another key gives another directory.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import jinja2

from lab.guests import BOOT_FILES, KERNEL_ARGUMENTS
from lab.guests import images as guest_images
from lab.guests import kernel_image as guest_kernel
from lab.openstack.debian import TIED, debian_root, in_root
from toolchain.build import run
from toolchain.paths import build_once, cache, key
from toolchain.versions import DEBIAN_SUITE

HERE = Path(__file__).parent
PASSWORD = "lab"  # noqa: S105  of the services among themselves, on each site's loopback
INSIDE = ("env", "-C", "/etc/lab", "python3", "-m", "inside")
Say = Callable[[str], None]

# nova-compute wants a hypervisor package; Debian's draws in QEMU for every architecture
STUB = """Package: nova-compute-hypervisor-lab
Version: 1.0
Architecture: all
Maintainer: lab <lab@localhost>
Provides: nova-compute-hypervisor
Depends: libvirt-daemon, libvirt-daemon-driver-qemu, qemu-system-x86, python3-libvirt
Description: QEMU for one architecture
"""


def base(say: Say) -> Path:
    """Debian with OpenStack's packages."""

    def build(target: Path) -> None:
        say("OpenStack's Debian packages (minutes) …")
        root = target / "root"
        debian_root(root, ["ca-certificates", "eatmydata"])
        stub = target / "stub"
        (stub / "DEBIAN").mkdir(parents=True)
        (stub / "DEBIAN/control").write_text(STUB)
        run(["dpkg-deb", "--build", "--root-owner-group", str(stub), str(root / "tmp/stub.deb")])
        shutil.rmtree(stub)
        packages = (HERE / "packages.txt").read_text().split()
        # Debian's libvirt-daemon-system would make these, and brings systemd along
        script = f"""set -e
            groupadd -rf kvm; groupadd -rf libvirt; groupadd -rf libvirt-qemu
            useradd -r -g libvirt-qemu -d /var/lib/libvirt -s /usr/sbin/nologin libvirt-qemu
            apt-get update -q
            eatmydata apt-get install -y --no-install-recommends -q /tmp/stub.deb {" ".join(packages)}
            apt-get clean; rm -rf /tmp/* /var/lib/apt/lists/* /var/lib/mysql/*
            mariadb-install-db --user=root >/dev/null
            mv /usr/bin/qemu-system-x86_64 /usr/bin/qemu-system-x86_64.real"""
        in_root(root, script)

    return build_once(cache("lab", "base", key(DEBIAN_SUITE, HERE / "packages.txt", STUB)), build) / "root"


def golden(say: Say) -> list[Path]:
    """Configuration, migrated databases, Keystone's bootstrap and the service catalogue, over the base."""
    below = [base(say)]
    virt_type = virtualisation(below, guest_kernel(say))

    def build(target: Path) -> None:
        say("OpenStack's databases …")
        upper = target / "upper"
        write_configuration(upper, virt_type)
        run_layer(target, below, ["golden"])

    sources = key(
        str(below[0]),
        virt_type,
        *(HERE / name for name in ("rootfs", "services.j2", "catalog.txt", "inside", "container.sh")),
    )
    return [build_once(cache("lab", "golden", sources), build) / "upper", *below]


def images(say: Say) -> list[Path]:
    """The guest images in Glance's store and in Nova's cache, over the golden layer; the whole stack of layers."""
    guests = guest_images(say)
    below = golden(say)

    def build(target: Path) -> None:
        say("images into Glance …")
        inbox = target / "upper/var/tmp"
        inbox.mkdir(parents=True)
        for name, file in (("vyos", guests.router), ("linux", guests.linux)):
            shutil.copy(file, inbox / f"{name}.qcow2")
            for boot in BOOT_FILES if file != guests.router or not guests.real_vyos else ():
                shutil.copy(file.with_name(boot), inbox / f"{name}.{boot}")
        (inbox / "arguments").write_text(KERNEL_ARGUMENTS)
        run_layer(target, below, ["images", "vyos=/var/tmp/vyos.qcow2", "linux=/var/tmp/linux.qcow2"])
        shutil.rmtree(inbox)
        inbox.mkdir(mode=0o1777)

    return [
        build_once(cache("lab", "images", key(str(below[0]), str(guests.router), str(guests.linux))), build) / "upper",
        *below,
    ]


def write_configuration(upper: Path, virt_type: str) -> None:
    """The tree in rootfs/, its templates rendered, into a layer."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, HERE / "rootfs"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    for source in sorted((HERE / "rootfs").rglob("*")):
        if not source.is_file():
            continue
        name = source.relative_to(HERE / "rootfs")
        target = upper / (name.with_suffix("") if name.suffix == ".j2" else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.suffix == ".j2":
            target.write_text(environment.get_template(str(name)).render(password=PASSWORD, virt_type=virt_type))
        else:
            shutil.copy(source, target)
    emulator = upper / "usr/bin/qemu-system-x86_64"
    emulator.parent.mkdir(parents=True)
    emulator.symlink_to("/usr/local/sbin/qemu-lab" if virt_type == "qemu" else "qemu-system-x86_64.real")
    own = upper / "etc/lab"
    own.mkdir()
    (own / "password").write_text(PASSWORD)
    (own / "catalog").write_text((HERE / "catalog.txt").read_text().replace("PASSWORD", PASSWORD))
    shutil.copytree(HERE / "inside", own / "inside", ignore=shutil.ignore_patterns("__pycache__"))


def run_layer(target: Path, below: list[Path], arguments: list[str]) -> None:
    """Run a step of `inside` in a container without a network whose changes end up in `target/upper`."""
    command = container("layer", target, below, [*INSIDE, *arguments])
    run([*TIED, "unshare", "--net", *command])
    for scratch in ("work", "root"):
        shutil.rmtree(target / scratch)


def container(name: str, directory: Path, below: list[Path], command: list[str]) -> list[str]:
    """The command that runs `command` as PID 1 over an overlay: `below` are the lower layers, top first."""
    for part in ("upper", "work", "root"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    overlay = f"lowerdir={':'.join(map(str, below))},upperdir={directory}/upper,workdir={directory}/work"
    enter = 'mount -t overlay overlay -o "$1" "$2"; root=$2 enter=$3; shift 3; exec sh "$enter" "$root" "$@"'
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "--uts",
        "--ipc",
        "sh",
        "-ec",
        enter,
        "sh",
        overlay,
        str(directory / "root"),
        str(HERE / "container.sh"),
        name,
        *command,
    ]


def virtualisation(below: list[Path], kernel: Path) -> str:
    """`kvm` where it works, else `qemu`; found out once for each boot of the machine."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = cache("lab", "virtualisation")
    if known.exists() and known.read_text().split()[0] == boot:
        return known.read_text().split()[1]
    found = "kvm" if kvm_works(below, kernel) else "qemu"
    known.write_text(f"{boot} {found}\n")
    return found


def kvm_works(below: list[Path], kernel: Path) -> bool:
    """Whether a guest's kernel really starts under KVM here: the device may be there and not work.

    A kernel without a root disk panics and reboots, which ends QEMU; one that hangs runs into the time limit.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    with tempfile.TemporaryDirectory(dir=cache("lab")) as scratch:
        upper = Path(scratch) / "upper"
        upper.mkdir()
        shutil.copy(kernel, upper / "vmlinuz")
        guest = [
            "timeout",
            "-s",
            "KILL",
            "15",
            "qemu-system-x86_64.real",
            "-accel",
            "kvm",
            "-M",
            "pc",
            "-m",
            "256",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
            "-kernel",
            "/vmlinuz",
            "-append",
            "panic=-1",
        ]
        command = ["unshare", "--net", *container("probe", Path(scratch), below, guest)]
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
