# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The guest's initial ram disk: finds the root disk and hands over. hook.sh says what runs it, and puts the modules in at
# the mark.
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sys /sys
$busybox mount -t devtmpfs dev /dev
MODULES
while [ ! -b /dev/vda ]; do $busybox sleep 0.05; done
$busybox mount -t ext4 -o rw,noatime /dev/vda /newroot
$busybox umount /proc /sys
$busybox mount --move /dev /newroot/dev
exec $busybox switch_root /newroot /sbin/init
