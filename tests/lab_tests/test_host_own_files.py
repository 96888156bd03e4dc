# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to the local appliance stays in it: this machine's own files do not change."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.appliance import COPIED, Appliance
from lab.processes import CommandError, loops_below, mounts_below

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices and mounts need root")

# Whole where the role writes; elsewhere what is at the top, since others use this machine meanwhile.
WATCHED = {"/etc": 99, "/home": 2, "/srv": 2, "/opt": 2, "/usr/sbin": 1, "/usr/bin": 1, "/": 1}
SECONDS = 120.0
# What the role is told by udev: a test is of the device that was asked for, nothing is to be isolated yet, and every order is
# carried out.
UDEVADM = r"""
for at in sbin bin; do
    cat > /usr/$at/udevadm <<'END'
#!/bin/sh
[ "$1" != test ] || for asked; do :; done
[ -z "$asked" ] || echo "DEVPATH=/devices/${asked#*/devices/}"
END
    chmod 755 /usr/$at/udevadm
done
"""


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path / "appliances", "guest", 16 << 20)
    appliance.start()
    yield appliance
    appliance.stop()
    assert (loops_below(tmp_path), mounts_below(tmp_path)) == ([], [])


def fingerprint() -> dict[str, str]:
    """Return a hash for each watched directory: of names, types, modes, sizes and times of what is in it."""
    found = {}
    for place, depth in WATCHED.items():
        digest = hashlib.sha256()
        for words in _listing(Path(place), depth):
            digest.update(repr(words).encode())
        found[place] = digest.hexdigest()
    return found


def _listing(place: Path, depth: int) -> Iterator[tuple[object, ...]]:
    if depth == 0 or not place.is_dir() or place.is_symlink():
        return
    for path in sorted(place.iterdir()):
        seen = path.lstat()
        # The time of a directory at the root changes with anything that anybody does in it.
        when = seen.st_mtime_ns if stat.S_ISREG(seen.st_mode) or depth > 2 else 0
        yield str(path), seen.st_mode, seen.st_size * bool(when), when, seen.st_uid, seen.st_gid
        yield from _listing(path, depth - 1)


def _play(guest: Appliance, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Return the step of the README that makes an appliance of a VM."""
    hosts = {"backup01": guest.ssh_vars()}
    inventory = {"all": {"children": {"appliance": {"hosts": hosts}}}}
    (tmp_path / "inventory.json").write_text(json.dumps(inventory), encoding="utf-8")
    settings = {"ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"), "ANSIBLE_HOME": str(tmp_path)}
    words = ["-i", str(tmp_path / "inventory.json"), "ovirt_community.backup.prepare_appliance"]
    wanted = {"backup_appliance_proof": "never", "backup_appliance_require_mount": True}
    return subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", *words, "-e", json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **settings},
        timeout=SECONDS,
    )


def test_the_role_changes_nothing_of_this_machine(guest: Appliance, tmp_path: Path) -> None:
    before = fingerprint()
    guest.run(["sh", "-c", UDEVADM])
    done = _play(guest, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert fingerprint() == before
    rules = guest.run(["sh", "-c", "cat /etc/udev/rules.d/*ovirt*"]).stdout
    assert "Written by ovirt_community.backup" in rules
    assert guest.path("/etc/ansible/facts.d/ovirt_backup.fact").exists()


def test_what_is_changed_lasts_over_a_power_cycle_and_goes_with_the_vm(guest: Appliance) -> None:
    places = [place for place in COPIED if Path("/", place).is_dir()]
    assert {"etc", "home", "root", "var", "usr"} <= set(places)
    script = "; ".join(f"echo kept > /{place}/of-the-guest" for place in places)
    guest.run(["sh", "-c", f"{script}; echo 'LABEL=x /x ext4' >> /etc/fstab; rm /etc/hosts"])
    guest.stop()
    guest.start()
    for place in places:
        assert guest.run(["cat", f"/{place}/of-the-guest"]).stdout == "kept\n"
        assert not Path("/", place, "of-the-guest").exists()
    assert "LABEL=x" in guest.run(["cat", "/etc/fstab"]).stdout
    guest.run(["test", "!", "-e", "/etc/hosts"])
    assert Path("/etc/hosts").exists()
    with pytest.raises(Exception, match="is up"):
        guest.discard()
    guest.stop()
    guest.discard()
    guest.start()
    for place in places:
        guest.run(["test", "!", "-e", f"/{place}/of-the-guest"])


def test_modes_and_owners_are_the_machines(guest: Appliance) -> None:
    for place in ("/etc", "/home", "/root", "/var", "/usr"):
        mine = os.lstat(place)
        shown = guest.run(["stat", "-c", "%f %u %g", place]).stdout.split()
        assert shown == [f"{mine.st_mode:x}", str(mine.st_uid), str(mine.st_gid)]


def test_the_rest_of_the_machine_cannot_be_written(guest: Appliance) -> None:
    with pytest.raises(CommandError, match="Read-only file system"):
        guest.run(["mkdir", "/of-the-guest"])
    assert not Path("/of-the-guest").exists()


def test_an_appliance_may_live_below_what_it_copies(tmp_path: Path) -> None:
    place = Path("/var/tmp") / f"lab-{os.getpid()}"  # noqa: S108  it is the point
    appliance = Appliance(place, "guest")
    try:
        appliance.start()
        appliance.run(["sh", "-c", f"echo x > {place}/guest/of-the-guest"])
        assert not (place / "guest" / "of-the-guest").exists()
    finally:
        appliance.stop()
        appliance.discard()
        left = (loops_below(place), mounts_below(place))
        place.rmdir()
    assert left == ([], [])
    assert tmp_path.exists()
