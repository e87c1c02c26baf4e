#!/bin/sh
# container.sh ROOT HOSTNAME COMMAND...: make ROOT (an overlay that is already mounted) this process's root, then run COMMAND.
# Started in mount, PID, UTS, IPC and network namespaces of its own; what is mounted here goes with them.
set -eu
root=$1 name=$2
shift 2
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir -p "$root/dev/pts" "$root/dev/net" "$root/dev/shm" "$root/run/lock" "$root/run/netns"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 net/tun:10:200 kvm:10:232; do
  IFS=: read -r path major minor <<X
$device
X
  mknod -m 666 "$root/dev/$path" c "$major" "$minor"
done
hostname "$name"
printf '127.0.0.1 localhost %s\n' "$name" > "$root/etc/hosts"
echo "$name" > "$root/etc/hostname"
: > "$root/etc/resolv.conf"
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
ip link set lo up
exec env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 "$@"
