# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Linux in a guest, as it is reached by SSH."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from lab.appliance import REPOSITORY
from lab.guest.image import Image
from lab.host import HostError
from lab.processes import CommandError, run, ssh_answers, wait_until

_BOOT_SECONDS = 120.0
_WRITER = """
import os, random, sys, time
device, seed = sys.argv[1], int(sys.argv[2])
descriptor = os.open(device, os.O_RDWR)
size = os.lseek(descriptor, 0, os.SEEK_END)
source = random.Random(seed)
print("writing", flush=True)
while True:
    offset = source.randrange(0, size - 65536, 4096)
    os.pwrite(descriptor, source.randbytes(16384), offset)
    os.fsync(descriptor)
    print(offset, flush=True)
    time.sleep(0.1)
"""


class Linux:
    """One guest's Linux. Its QEMU may come and go; `port` is where the running one listens."""

    def __init__(self, name: str, image: Image, directory: Path, identity: str = "") -> None:
        """Keep how it is reached; known hosts and the like go to `directory`.

        identity: the UUID of the system that its firmware would show, had it been made for this VM alone.
        """
        self.name = name
        self._identity = identity
        self.port = 0
        self.repository = False
        """Whether to mount what has the label of a repository, at every start."""
        self._image = image
        self.directory = directory

    def came_up(self, port: int) -> None:
        """Wait for SSH after QEMU has resumed or booted the guest; set clock and name. Raises HostError."""
        self.port = port
        self.directory.mkdir(parents=True, exist_ok=True)
        host_key = self._image.host_key.read_text(encoding="ascii")
        known = f"[127.0.0.1]:{port} {host_key}"
        (self.directory / "known_hosts").write_text(known, encoding="ascii")
        if not wait_until(self.answers, _BOOT_SECONDS):
            raise HostError("start", f"guest {self.name} does not answer on port {port}")
        # A resumed guest believes in the time of the saved state, and has its random numbers.
        script = (
            f"date -s @{time.time():.3f} >/dev/null; hostname {shlex.quote(self.name)}; "
            f"{self._show_identity()}"
            "cat > /dev/urandom"
        )
        self._ssh([script], stdin=Path("/proc/sys/kernel/random/uuid").read_bytes() * 4)

    def _show_identity(self) -> str:
        """Cover the firmware's file, because all guests are resumed from the state of one machine."""
        if not self._identity:
            return ""
        shown, own = "/sys/class/dmi/id/product_uuid", "/run/product_uuid"
        cover = f"echo {shlex.quote(self._identity)} > {own} && mount --bind {own} {shown}"
        return f"if [ -e {shown} ] && [ ! -e {own} ]; then {cover}; fi; "

    def answers(self) -> bool:
        """Tell whether its SSH server says something."""
        return ssh_answers(self.port)

    def ssh_vars(self) -> dict[str, str | int | bool]:
        """Ansible's connection variables for this guest."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self._image.client_key),
            "ansible_ssh_common_args": shlex.join(self._options()),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_pipelining": True,
        }

    def ssh_command(self) -> list[str]:
        """Return a command line that logs in to this guest; append what to run."""
        key = str(self._image.client_key)
        return ["ssh", *self._options(), "-i", key, "-p", str(self.port), "root@127.0.0.1"]

    def run(
        self, argv: Sequence[str], *, timeout: float = 120.0, ok: Sequence[int] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the guest; raises CommandError."""
        return self._ssh([shlex.join(argv)], timeout=timeout, ok=ok)

    def shell(self, script: str, *, timeout: float = 120.0) -> str:
        """Run a shell script in the guest; what it prints. Raises CommandError."""
        return self._ssh([f"set -eu\n{script}"], timeout=timeout).stdout

    def device(self, serial: str) -> str:
        """Return the node of the disk with this serial, or with its first 20 characters; waits for it.

        Raises CommandError.
        """
        return self.shell(
            f"for try in $(seq 100); do\n"
            f"  lsblk -dnro NAME,SERIAL | while read -r name serial; do\n"
            f"    case {shlex.quote(serial)} in ${{serial:-none}}*) echo /dev/$name ;; esac\n"
            f"  done | grep . && exit 0\n"
            f"  sleep 0.1\n"
            f"done\n"
            f"exit 1"
        ).strip()

    def mount_repository(self) -> None:
        """Mount the repository disk, when it shows up and at every boot. Raises CommandError."""
        options = "nofail,noatime,x-systemd.device-timeout=30"
        line = f"LABEL=backup {REPOSITORY} ext4 {options} 0 2"
        self.shell(
            f"grep -q {REPOSITORY} /etc/fstab || echo {shlex.quote(line)} >> /etc/fstab\n"
            f"systemctl daemon-reload\n"
            f"for try in $(seq 100); do test -e /dev/disk/by-label/backup && break; sleep 0.1; done\n"
            # Joins the mount that the disk itself set off.
            f"systemctl start srv-backup.mount"
        )

    def _options(self) -> list[str]:
        return [
            "-F", "/dev/null",
            "-o", f"UserKnownHostsFile={self.directory}/known_hosts",
            "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes",
            "-o", "IdentitiesOnly=yes",
            "-o", "IdentityAgent=none",
            "-o", "ConnectTimeout=30",
            "-o", "ServerAliveInterval=10",
        ]  # fmt: skip

    def _ssh(
        self,
        words: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 120.0,
        ok: Sequence[int] = (0,),
    ) -> subprocess.CompletedProcess[str]:
        return run([*self.ssh_command(), *words], stdin=stdin, timeout=timeout, ok=ok)


class RemoteWriter:
    """A process in the guest that writes to one of its disks until it is stopped."""

    def __init__(self, linux: Linux, serial: str, seed: int) -> None:
        """Write random blocks, the same for the same seed, to the disk with this serial."""
        self._linux = linux
        self._serial = serial
        self._seed = seed
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self.blocks = 0

    def start(self) -> None:
        """Begin; returns when it writes. Raises HostError."""
        device = self._linux.device(self._serial)
        command = f"exec python3 -c {shlex.quote(_WRITER)} {device} {self._seed}"
        self._process = subprocess.Popen(
            [*self._linux.ssh_command(), "-tt", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        if self._process.stdout is None or "writing" not in self._process.stdout.readline():
            self.stop()
            raise HostError("start", f"nothing writes to disk {self._serial} in the guest")
        self._thread = threading.Thread(
            target=self._count, args=[self._process.stdout], daemon=True
        )
        self._thread.start()

    def stop(self) -> int:
        """End; the number of blocks written. With the terminal goes the process in the guest."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        if self._thread is not None:
            self._thread.join(30)
        return self.blocks

    def _count(self, lines: Sequence[str]) -> None:
        with contextlib.suppress(ValueError):
            for _line in lines:
                self.blocks += 1


def is_ready(linux: Linux) -> bool:
    """Tell whether systemd has brought everything up."""
    try:
        state = linux.run(["systemctl", "is-system-running", "--wait"], ok=(0, 1)).stdout
    except CommandError:
        return False
    return state.strip() in {"running", "degraded"}
