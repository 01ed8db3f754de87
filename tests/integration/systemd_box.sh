#!/bin/bash
# Becomes a systemd in a world of its own: processes, network, mounts and control groups; its file system is this
# machine's, or the one below LOWER, in which what it writes is kept aside in memory and gone with it. Started by
# systemd_box.py, as root:
#
#     unshare --mount --pid --fork --kill-child --net --uts --ipc systemd_box.sh DIR LOWER
#
# DIR is an empty directory, for mounts that nobody else sees. Services of this machine do not start: only those of
# sysinit.target do, without which none can.
set -euo pipefail

box=$1
lower=$2
root=$box/root

mount --make-rprivate /
mount -t tmpfs box "$box"
mkdir "$box"/{upper,work,root,group}
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$box/upper,workdir=$box/work" "$root"

# A control group of its own, of which the new namespace makes the root.
mount -t cgroup2 cgroup2 "$box/group"
group=$box/group/$(basename "$box")
mkdir -p "$group"
# shellcheck disable=SC2320  # it is this shell that moves
echo 0 >"$group/cgroup.procs"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
for dir in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$dir"; done
chmod 1777 "$root/tmp"
mkdir "$root/run/written"
mount --bind "$box/upper" "$root/run/written"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
touch "$root/dev/console"
mount --bind /dev/null "$root/dev/console"
rm -f "$root/usr/sbin/policy-rc.d"        # of containers: it keeps packages from starting services
rm -f "$root/var/lib/man-db/auto-update" # an index of all manual pages at each step of a package takes longer than all else

mkdir "$root/.old"
cd "$root"
pivot_root . .old
umount -l .old
rmdir .old
exec unshare --cgroup /bin/sh -c 'mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
    exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
        /lib/systemd/systemd --system --unit=sysinit.target --log-target=journal --show-status=0'
