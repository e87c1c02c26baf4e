"""Builds the two guest images from Debian's packages.

Made for guests without hardware acceleration, where user space is what costs time at boot: busybox as init, an initrd
of a few modules, no systemd, no cloud-init. A tree each, then an ext4 file system, then a disk with GRUB in its gap,
all without loop devices.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.openstack.debian import debian_root, in_root
from lab.router.install import install as install_router
from toolchain.build import BuildFailed, run
from toolchain.paths import build_once, cache, key
from toolchain.versions import DEBIAN_SUITE

HERE = Path(__file__).parent
ROUTER = HERE.parent / "router"
ROOT_MIB, JOURNAL_MIB = 700, 8
# norandmaps: an emulator's translated code can be used again only where it lies at the same address
KERNEL_ARGUMENTS = (
    "console=tty0 console=ttyS0 quiet loglevel=3 mitigations=off cryptomgr.notests tsc=reliable "
    "no_timer_check audit=0 apparmor=0 nokaslr norandmaps net.ifnames=0"
)
INITRD_MODULES = (
    "virtio/virtio",
    "virtio/virtio_ring",
    "virtio/virtio_pci_modern_dev",
    "virtio/virtio_pci_legacy_dev",
    "virtio/virtio_pci",
    "block/virtio_blk",
    "net/virtio_net",
    "net/net_failover",
    "char/hw_random/rng-core",
    "char/hw_random/virtio-rng",
)
BOOT_FILES = ("vmlinuz", "initrd.img")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Images:
    """The qcow2 files; `real_vyos` tells whether the router's is one of the user's own.

    Beside ours lie their kernel and initrd (`boot_files`): a guest that is given them need not load them by BIOS calls,
    which is a third of the time of an emulated boot.
    """

    router: Path
    linux: Path
    real_vyos: bool = False


def images(say: Say = print) -> Images:
    """Both images, built if they are not there; $VYOS_IMAGE names a file to take as the router's instead."""
    own = os.environ.get("VYOS_IMAGE")
    if own and not Path(own).is_file():
        raise BuildFailed(f"VYOS_IMAGE={own}: no such file; name a qcow2 image of VyOS, or unset it")
    sources = [HERE, HERE.parent / "openstack/debian.py"]
    linux = image("linux", "debian", key(DEBIAN_SUITE, *sources), say)
    if own:
        return Images(Path(own).absolute(), linux, real_vyos=True)
    return Images(image("router", "vyos", key(DEBIAN_SUITE, *sources, ROUTER), say), linux)


def image(name: str, user: str, sources: str, say: Say) -> Path:
    """One image, from the tree with the packages that it wants and the files that are its own."""

    def build(target: Path) -> None:
        say(f"guest image {name} …")
        root = target / "root"
        # links and modes as they are; the tree with the packages stays for the next build
        run(["cp", "-a", "--reflink=auto", str(packages(name, say)), str(root)])
        shutil.copytree(HERE / "common", root, dirs_exist_ok=True, symlinks=True)
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, root, dirs_exist_ok=True, symlinks=True)
        # a package enables its service; here nothing runs before it is asked for
        shutil.rmtree(root / "etc/systemd/system/multi-user.target.wants", ignore_errors=True)
        configure(root, user)
        if name == "router":
            install_router(root)
        disk(root, target, f"{name}.qcow2")
        for file in BOOT_FILES:
            shutil.copy(root / "boot" / file, target)
        shutil.rmtree(root)

    return build_once(cache("lab", "guests", f"{name}-{sources}"), build) / f"{name}.qcow2"


def packages(name: str, say: Say) -> Path:
    """The unpacked packages of an image, with the kernel's modules that a guest wants, its kernel and its initrd."""
    wanted = [*(HERE / "packages.txt").read_text().split(), *(HERE / f"{name}-packages.txt").read_text().split()]

    def build(target: Path) -> None:
        say(f"Debian packages of the {name} image …")
        root = target / "root"
        debian_root(root, wanted)
        kernel(root, target)

    sources = key(DEBIAN_SUITE, *wanted, HERE / "modules.txt", HERE / "initrd-init", *INITRD_MODULES)
    return build_once(cache("lab", "guests", f"{name}-packages-{sources}"), build) / "root"


def kernel_image(say: Say = print) -> Path:
    """The guests' kernel on its own."""
    return packages("linux", say) / "boot/vmlinuz"


def kernel(root: Path, scratch: Path) -> None:
    """Debian's cloud kernel with few of its modules, and an initrd that mounts the root disk."""
    in_root(
        root,
        r"""set -e
        cd /tmp
        apt-get update -q
        depends=$(apt-cache depends linux-image-cloud-amd64)
        package=$(echo "$depends" | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -1)
        apt-get download -q "$package"
        dpkg-deb -x linux-image-*.deb /tmp/kernel
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin *.deb""",
    )
    unpacked = scratch / "kernel"
    shutil.move(root / "tmp/kernel", unpacked)
    version = next((unpacked / "lib/modules").iterdir()).name
    modules, target = unpacked / "lib/modules" / version, root / "lib/modules" / version
    target.mkdir(parents=True)
    for listing in modules.glob("modules.*"):
        shutil.copy(listing, target)
    for entry in (HERE / "modules.txt").read_text().split():
        source = modules / entry
        if source.is_dir():
            shutil.copytree(source, target / entry, dirs_exist_ok=True)
        elif source.exists():
            (target / entry).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / entry)
    in_root(root, f"depmod -a {version}")
    boot = root / "boot"
    shutil.copy(next((unpacked / "boot").glob("vmlinuz-*")), boot / "vmlinuz")
    initrd = scratch / "initrd"
    for directory in ("bin", "proc", "sys", "dev", "root", "m"):
        (initrd / directory).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", initrd / "bin/busybox")
    libraries = subprocess.run(["chroot", str(root), "ldd", "/bin/busybox"], capture_output=True, text=True).stdout
    for library in (word for word in libraries.split() if word.startswith("/")):
        (initrd / library.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / library.lstrip("/"), initrd / library.lstrip("/"))
    for name in INITRD_MODULES:
        module = modules / f"kernel/drivers/{name}.ko"
        if module.exists():
            shutil.copy(module, initrd / "m")
    shutil.copy(modules / "kernel/net/core/failover.ko", initrd / "m")
    shutil.copy(HERE / "initrd-init", initrd / "init")
    (initrd / "init").chmod(0o755)
    run(["sh", "-ec", f'cd "{initrd}"; find . | cpio -o -H newc --quiet | gzip -1 > "{boot}/initrd.img"'])
    shutil.rmtree(unpacked)
    shutil.rmtree(initrd)


def configure(root: Path, user: str) -> None:
    """Init, users and SSH: logins by key only, none for root."""
    for link in ("init", "udhcpc", "getty", "poweroff", "reboot", "halt"):
        path = root / "sbin" / link
        path.unlink(missing_ok=True)
        path.symlink_to("/bin/busybox")
    for name, text in (
        ("hostname", f"{user}\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("guest-user", user),
        ("resolv.conf", ""),
        ("fstab", "/dev/vda1 / ext4 rw,noatime 0 0\n"),
        ("sudoers.d/guest", f"{user} ALL=(ALL) NOPASSWD: ALL\n"),
    ):
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(text)
    (root / "etc/sudoers.d/guest").chmod(0o440)
    for host_key in (root / "etc/ssh").glob("ssh_host_*"):
        host_key.unlink()
    shutil.copy(HERE / "sshd_config", root / "etc/ssh/sshd_config")
    in_root(
        root,
        f"set -e; usermod -p '*' root; useradd -m -s /bin/bash -p '*' {user}; rm -f /etc/motd; "
        f": > /home/{user}/.bashrc; : > /home/{user}/.profile; rm -rf /var/cache/apt/* /var/lib/apt/lists/*",
    )


def disk(root: Path, scratch: Path, name: str) -> None:
    """A bootable qcow2 of a tree: an MBR, GRUB's core in the gap after it, one ext4 partition (with a journal, since a
    guest that is reset without one comes back corrupt)."""
    file_system, raw = scratch / "ext4", scratch / "raw"
    run(
        [
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-J",
            f"size={JOURNAL_MIB}",
            "-O",
            "^metadata_csum,^64bit",
            "-E",
            "lazy_itable_init=1,lazy_journal_init=1",
            "-d",
            str(root),
            str(file_system),
            f"{ROOT_MIB}M",
        ]
    )
    config = scratch / "grub.cfg"
    config.write_text(f"set root=(hd0,msdos1)\nlinux /boot/vmlinuz {KERNEL_ARGUMENTS}\ninitrd /boot/initrd.img\nboot\n")
    core = scratch / "core.img"
    run(
        [
            "grub-mkimage",
            "-O",
            "i386-pc",
            "-o",
            str(core),
            "-c",
            str(config),
            "-p",
            "(hd0,msdos1)/boot",
            "biosdisk",
            "part_msdos",
            "ext2",
            "linux",
        ]
    )
    boot_code = Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440]
    partition = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", 2048, ROOT_MIB * 2048)
    with raw.open("wb") as file:
        file.truncate((ROOT_MIB + 1) << 20)
        file.write(boot_code.ljust(446, b"\0") + partition + bytes(48) + b"\x55\xaa" + core.read_bytes())
    run(["dd", f"if={file_system}", f"of={raw}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"])
    run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(scratch / name)])
    for scrap in (file_system, raw, config, core):
        scrap.unlink()
