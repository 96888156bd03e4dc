# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance of tier local: a guest made of namespaces, with a real sshd.

It has its own processes, mounts, /dev, /run and host name, and a repository disk with ext4 on
/srv/backup. It starts with the machine's programs and settings, and its changes to them stay on a
system disk of its own. The machine's own mount namespace shows nothing of it, and the end of its
first process ends all of it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from lab import loop
from lab.host import GuestName, HostError
from lab.processes import (
    CommandError,
    ProcessId,
    Registry,
    free_port,
    run,
    ssh_answers,
    wait_until,
)

_START_SECONDS = 15.0
_PORT_TRIES = 5
_HOME = "/run/root"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REPOSITORY = "/srv/backup"
# Directories of the machine that the guest reads and never writes to: its changes go to its system disk.
# Mounts of the machine below them are not seen. Roles write to /etc, package managers to the rest.
COPIED = ("etc", "home", "root", "var", "usr", "opt", "boot", "mnt", "media")
_SYSTEM_SIZE = 2 << 30

# The first line is printed when all is mounted: the guest's first process, by the number that
# the machine knows it by (its /proc is still the machine's when it is read).
_SETUP = r"""
set -eu
read -r pid rest < /proc/self/stat
mount -n -t proc proc /proc
hostname "$NAME"
umount -n -a -l -t fuse,fuseblk 2>/dev/null || true
mkdir -p "$STAGE"
mount -n -t tmpfs -o mode=755 stage "$STAGE"
cd "$STAGE"
mkdir dev run srv
mount -n -t tmpfs -o mode=755,size=1m dev dev
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read -r name major minor <<END
$node
END
  mknod -m 666 "dev/$name" c "$major" "$minor"
done
mkdir dev/pts dev/shm
mount -n --bind /dev/pts dev/pts
mount -n -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for number in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/${number%:*}" "dev/${number#*:}"
done
mount -n -t tmpfs -o mode=755,size=256m run run
mkdir -p run/sshd run/lock run/udev/data run/lab
mkdir -m 700 run/root
cp "$SETTINGS/sshd_config" "$SETTINGS/host_key" "$SETTINGS/authorized_keys" run/lab/
mkdir run/lab/system
mount -n -t ext4 -o noatime "$SYSTEM" run/lab/system
mount -n -t tmpfs -o mode=755,size=1m srv srv
mkdir srv/backup
if [ -n "$DISK" ]; then mount -n -t ext4 -o noatime "$DISK" srv/backup; fi
# The firmware of a VM shows its id. A machine without that file gets one: its classes, and one more.
if [ -n "$IDENTITY" ] && [ -e /sys/class/dmi/id/product_uuid ]; then
  echo "$IDENTITY" > run/lab/product_uuid
  mount -n --bind run/lab/product_uuid /sys/class/dmi/id/product_uuid
elif [ -n "$IDENTITY" ]; then
  mkdir own class
  mount -n --bind /sys/class own
  mount -n -t tmpfs -o mode=755,size=1m class class
  for found in own/*; do
    if [ "$found" = own/dmi ]; then continue; fi
    mkdir "class/${found#own/}"
    mount -n --bind "$found" "class/${found#own/}"
  done
  mkdir -p class/dmi/id
  echo "$IDENTITY" > class/dmi/id/product_uuid
  chmod 400 class/dmi/id/product_uuid
  mount -n -o remount,ro class
  mount -n --move class /sys/class
  umount -n -l own
fi
for place in run srv dev; do mount -n --move "$place" "/$place"; done
umount -n -l "$STAGE"
# Below /run, since the stage itself may lie in one of these directories.
cd /run/lab/system
for place in $COPIED; do
  if [ -L "/$place" ] || [ ! -d "/$place" ]; then continue; fi
  if [ ! -d "$place" ]; then
    mkdir -p "$place.part/upper" "$place.part/work"
    chown --reference="/$place" "$place.part/upper"
    chmod --reference="/$place" "$place.part/upper"
    mv "$place.part" "$place"
  fi
  mount -n -t overlay -o "lowerdir=/$place,upperdir=$place/upper,workdir=$place/work" own "/$place"
done
cd /
umount -n -l /run/lab/system
# All that is left of the machine's own is read-only, but for /tmp.
mount -n --bind /tmp /tmp
mount -n -o remount,bind,ro /
echo "$pid"
exec env -i PATH="$PATH" HOME=/run/root LANG=C.UTF-8 \
  /usr/sbin/sshd -D -e -f /run/lab/sshd_config >/dev/null
"""

_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey /run/lab/host_key
AuthorizedKeysFile /run/lab/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 200
MaxSessions 100
SetEnv PATH={path} HOME={home} LANG=C.UTF-8
Subsystem sftp internal-sftp
"""


class Appliance:
    """One guest; `start` boots it, `stop` powers it off, its disks stay until `discard`."""

    def __init__(
        self, root: Path, name: str, repository_size: int | None = None, identity: str = ""
    ) -> None:
        """Keep everything below root/<name>.

        repository_size: bytes of the repository disk; None: no repository disk, so that
        /srv/backup is an ordinary directory.
        identity: what its firmware shows as the UUID of the system; empty: what this machine's does.
        """
        self.root = root.resolve()
        self.name = name
        self.directory = self.root / name
        self.image = self.directory / "repository.img"
        self.system = self.directory / "system.img"
        self.pid = 0
        self.port = 0
        self.identity = identity
        self._repository_size = repository_size
        self._lock = threading.RLock()
        self._registry: Registry | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Boot; returns when sshd answers. Raises HostError "start". Up is no error."""
        with self._lock:
            if self.up():
                return
            self.stop()
            self._registry = Registry.acquire(self.root)
            try:
                self._prepare()
                for _try in range(_PORT_TRIES):
                    if self._boot():
                        return
                    self.port = 0
                raise HostError("start", f"appliance {self.name}: {self._messages()}")
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Power off: all its processes are killed, its mounts go. Down is no error."""
        with self._lock:
            if self._process is not None and self._registry is not None:
                self._end(self._registry, self._process)
            if self._registry is not None:
                self._registry.release()
            self._process, self._registry = None, None

    def discard(self) -> None:
        """Throw its disks and keys away, as with a VM that is removed. Raises HostError if up."""
        with self._lock:
            if self.up():
                raise HostError("start", f"appliance {self.name} is up")
            shutil.rmtree(self.directory, ignore_errors=True)

    def up(self) -> bool:
        """Tell whether the guest runs."""
        return self._process is not None and self._process.poll() is None

    def ssh_vars(self) -> dict[str, str | int]:
        """Ansible's connection variables for this guest."""
        options = [
            "-F", "/dev/null",
            "-o", f"UserKnownHostsFile={self.directory}/known_hosts",
            "-o", "GlobalKnownHostsFile=/dev/null",
            "-o", "StrictHostKeyChecking=yes",
            "-o", "IdentitiesOnly=yes",
            "-o", "IdentityAgent=none",
        ]  # fmt: skip
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.directory / "client_key"),
            "ansible_ssh_common_args": shlex.join(options),
            "ansible_python_interpreter": interpreter(),
        }

    def ssh_command(self) -> list[str]:
        """Return a command line that logs in to this guest; append what to run."""
        known = self.ssh_vars()
        common = shlex.split(str(known["ansible_ssh_common_args"]))
        key = str(known["ansible_ssh_private_key_file"])
        return ["ssh", *common, "-i", key, "-p", str(self.port), "root@127.0.0.1"]

    def run(
        self, argv: Sequence[str], *, timeout: float = 120.0, ok: Sequence[int] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the guest, past sshd; raises CommandError."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "--wd=/", "--"]
        clean = ["env", "-i", f"PATH={_PATH}", f"HOME={_HOME}", "LANG=C.UTF-8"]
        return run([*enter, *clean, *argv], timeout=timeout, ok=ok)

    def path(self, guest_path: str) -> Path:
        """Return where this machine sees a path of the running guest (absolute links mislead)."""
        return Path(f"/proc/{self.pid}/root") / guest_path.lstrip("/")

    def link(self, device: str, names: GuestName) -> None:
        """Show a block device of this machine in the guest, as its udev would."""
        with self._lock:
            if not self.up():
                raise HostError("plug", f"appliance {self.name} is down")
            number = os.stat(device).st_rdev
            self._make_node(Path(device).name, number)
            directory = self.path("/dev/disk/by-id")
            directory.mkdir(parents=True, exist_ok=True)
            self._udev_data(number).write_text(
                f"S:disk/by-id/{names.link}\nI:1\nE:ID_SERIAL={names.serial}\n"
                f"E:ID_SERIAL_SHORT={names.short_serial}\nG:systemd\nQ:systemd\nV:1\n",
                encoding="ascii",
            )
            # The link comes last: who waits for it finds all the rest. As in udev, the last of
            # two disks with one name has it.
            fresh = directory / f".{names.link}"
            fresh.symlink_to(f"../../{Path(device).name}")
            fresh.rename(directory / names.link)

    def unlink(self, device: str, names: GuestName) -> None:
        """Undo `link`; nothing to do when the guest is down."""
        with self._lock:
            if not self.up():
                return
            link = self.path("/dev/disk/by-id") / names.link
            if link.is_symlink() and link.readlink().name == Path(device).name:
                link.unlink()
            self._udev_data(os.stat(device).st_rdev).unlink(missing_ok=True)
            self.path(device).unlink(missing_ok=True)
            # udev removes the directory with its last link, and programs stumble over that.
            if link.parent.exists() and not any(link.parent.iterdir()):
                shutil.rmtree(self.path("/dev/disk"))

    def _udev_data(self, number: int) -> Path:
        return self.path(f"/run/udev/data/b{os.major(number)}:{os.minor(number)}")

    def _make_node(self, name: str, number: int) -> None:
        node = self.path(f"/dev/{name}")
        node.unlink(missing_ok=True)
        os.mknod(node, stat.S_IFBLK | 0o660, number)

    def _prepare(self) -> None:
        """Keys and disks, made once, so that a power cycle keeps them."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for key in ("host_key", "client_key"):
            if not (self.directory / key).exists():
                path = self.directory / key
                run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", path])
        shutil.copy(self.directory / "client_key.pub", self.directory / "authorized_keys")
        if self._repository_size is not None:
            _format(self.image, self._repository_size, "-L", "backup")
        _format(self.system, _SYSTEM_SIZE, "-O", "^has_journal")

    def _boot(self) -> bool:
        """One attempt; False if its port was taken meanwhile."""
        self.port = self.port or free_port()
        config = _SSHD_CONFIG.format(port=self.port, path=_PATH, home=_HOME)
        (self.directory / "sshd_config").write_text(config, encoding="ascii")
        host_key = (self.directory / "host_key.pub").read_text(encoding="ascii")
        known = f"[127.0.0.1]:{self.port} {host_key}"
        (self.directory / "known_hosts").write_text(known, encoding="ascii")
        self._spawn()
        if self.pid == 0:
            return False
        self._show_repository_disk()
        return (
            wait_until(lambda: not self.up() or ssh_answers(self.port), _START_SECONDS)
            and self.up()
        )

    def _spawn(self) -> None:
        if self._registry is None:
            raise HostError("start", f"appliance {self.name} has no registry")
        log = self.directory / "log"
        log.unlink(missing_ok=True)
        disks = {
            image: loop.attach(image, read_only=False)
            for image in (self.system, self.image)
            if image.exists()
        }
        settings = {
            "PATH": _PATH,
            "NAME": self.name,
            "STAGE": str(self.directory / "stage"),
            "SETTINGS": str(self.directory),
            "COPIED": " ".join(COPIED),
            "SYSTEM": disks[self.system],
            "DISK": disks.get(self.image, ""),
            "IDENTITY": self.identity,
        }
        words = ["--mount", "--pid", "--uts", "--fork", "--kill-child", "--propagation", "private"]
        self._process = self._registry.spawn(
            ["unshare", *words, "/bin/sh", "-c", _SETUP],
            log,
            stdout=subprocess.PIPE,
            environment=settings,
        )
        line = b""
        if self._process.stdout is not None:
            with self._process.stdout as told:
                line = told.readline()
        self.pid = int(line or 0)
        for image, disk in disks.items():
            # Mounted, it is released by its unmounting, that is: by the guest's end.
            loop.release(disk, image)
        if self.pid:
            self._registry.note(self.pid)

    def _show_repository_disk(self) -> None:
        for line in self.path("/proc/1/mountinfo").read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[4] == REPOSITORY and words[2].startswith("7:"):
                minor = int(words[2].partition(":")[2])
                self._make_node(f"loop{minor}", os.makedev(7, minor))

    def _messages(self) -> str:
        log = self.directory / "log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def _end(self, registry: Registry, process: subprocess.Popen[bytes]) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                ProcessId.of(self.pid).kill()
            registry.forget(self.pid)
        registry.end(process, _START_SECONDS if self.pid else 0.0)
        self.pid = 0
        # The kernel frees the mount namespace, and with it the loop devices, a little later.
        if not wait_until(lambda: not self._in_use(), _START_SECONDS):
            raise HostError("start", f"{' and '.join(self._in_use())} stay in use")

    def _in_use(self) -> list[str]:
        images = {str(self.image), str(self.system)}
        listed = run(["losetup", "-n", "-O", "BACK-FILE", "-l"]).stdout.split("\n")
        return sorted(images & set(listed))


def _format(image: Path, size: int, *options: str) -> None:
    """Make a file of so many bytes an empty ext4, unless it is one already."""
    if image.exists():
        return
    partial = image.with_suffix(".part")
    partial.unlink(missing_ok=True)
    partial.touch()
    os.truncate(partial, size)
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", *options, partial])
    partial.rename(image)


def interpreter() -> str:
    """Return a real Python (no version manager's shim) of 3.9 or newer for modules in the guest."""
    for candidate in ("/usr/bin/python3", os.path.realpath(sys.executable)):
        test = "import sys; sys.exit(sys.version_info < (3, 9))"
        try:
            run([candidate, "-I", "-c", test])
        except CommandError:
            continue
        return candidate
    raise HostError("start", "no Python of 3.9 or newer for the appliance")
