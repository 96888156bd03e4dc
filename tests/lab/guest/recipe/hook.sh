#!/bin/sh
# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes a guest of a fresh Debian tree: kernel, initial ram disk, network, access. mmdebstrap runs it outside of the tree,
# as its root. Arguments: the tree, the recipe's directory, the public key that may log in.
set -eu
root=$1 recipe=$2 key=$3
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"

# ----- kernel and modules, without its maintainer scripts ---------------------------------------
mkdir "$root/fetched" "$root/srv/packages" "$root/srv/backup"
cd "$root/fetched"
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2}')
apt-get -q download "$kernel" qemu-utils
dpkg-deb -x "$kernel"_*.deb "$root/fetched/kernel"
cp -a kernel/lib/modules "$root/usr/lib/"
cp kernel/boot/vmlinuz-* "$root/boot/vmlinuz"
release=$(ls "$root/usr/lib/modules")
chroot "$root" depmod "$release"

# ----- a package that an appliance needs, to be installed from where no network is --------------
deb=$(echo qemu-utils_*.deb)
{
    dpkg-deb -f "$deb"
    echo "Filename: ./$deb"
    echo "Size: $(stat -c %s "$deb")"
    echo "SHA256: $(sha256sum "$deb" | cut -d' ' -f1)"
} > "$root/srv/packages/Packages"
mv "$deb" "$root/srv/packages/"
chroot "$root" dpkg --remove qemu-utils
rm -f "$root"/etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/packages ./' > "$root/etc/apt/sources.list"

# ----- initial ram disk: the modules in the order in which they need each other -----------------
initrd="$root/fetched/initrd"
mkdir -p "$initrd/bin" "$initrd/proc" "$initrd/sys" "$initrd/dev" "$initrd/newroot"
cp "$root/bin/busybox" "$initrd/bin/"
{
    echo '#!/bin/busybox sh'
    sed '/^MODULES$/,$d' "$recipe/init.sh"
    for module in virtio_pci virtio_blk virtio_net virtio_scsi sd_mod virtio_console; do
        chroot "$root" modprobe -S "$release" --show-depends "$module"
    done | awk '/^insmod/ && !seen[$2]++ {print $2}' | while read -r file; do
        cp "$root$file" "$initrd/"
        echo "\$busybox insmod /${file##*/}"
    done
    sed '1,/^MODULES$/d' "$recipe/init.sh"
} > "$initrd/init"
chmod 755 "$initrd/init"
chroot "$root" sh -c 'cd /fetched/initrd && find . | busybox cpio -o -H newc > /boot/initrd'
cd /
rm -rf "$root/fetched"

# ----- what the guest is ------------------------------------------------------------------------
echo guest > "$root/etc/hostname"
printf '127.0.0.1 localhost guest\n' > "$root/etc/hosts"
printf '/dev/vda / ext4 noatime 0 1\n' > "$root/etc/fstab"
chroot "$root" systemd-machine-id-setup
mkdir -p -m 700 "$root/root/.ssh"
cp "$key" "$root/root/.ssh/authorized_keys"
chmod 600 "$root/root/.ssh/authorized_keys"
echo 'UseDNS no' > "$root/etc/ssh/sshd_config.d/lab.conf"
cp "$recipe/lab-network.service" "$root/etc/systemd/system/"
chroot "$root" systemctl --quiet enable lab-network.service
# What wakes up by the clock would run in every guest that is resumed from the saved state.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer getty.target mdcheck_continue.timer \
    mdcheck_start.timer mdmonitor-oneshot.timer serial-getty@ttyS0.service \
    systemd-random-seed.service systemd-timesyncd.service systemd-tmpfiles-clean.timer
