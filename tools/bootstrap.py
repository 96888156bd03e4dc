# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up what `make demo`, `make lab` and `make test` need; quick when there is nothing to do.

Levels: `run` is enough for the lab and the demo, `guest` for the lab of Linux guests, which needs no root, and `dev` is
everything the checks need. Standard library only: it runs before anything is installed. What is set up:

  .venv              the newest ansible-core that constraints.txt has for the Python found
  .venv-216          the oldest supported ansible-core, on Python 3.11, with the same tools (dev)
  .cache/cores       every other supported ansible-core, with what pytest needs (dev)
  .cache/ws          a collections path with a link to this checkout
  .cache/collections ovirt.ovirt and ansible.posix, one tree per ansible-core; a link where two share one (dev)
  .cache/setup.json  what was found, for noxfile.py and tools/checks.py
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
UV = CACHE / "uv"
OLD_CORE_PYTHON = (3, 11)  # constraints.txt has ansible-core 2.19 for it, the last that runs on it
NEW_CORE_PYTHONS = ((3, 12), (3, 13), (3, 14))  # in this order: 3.12 is what most is tested with
CORES_OF_OLD_PYTHON = ("2.16", "2.17", "2.18", "2.19")  # the others need a newer one
BOUND_TO_CORE = ("ansible-core==", "resolvelib==")  # pins that another ansible-core does not share
OLDEST_PYTHON = (3, 9)  # the appliance's: modules are compiled and imported with it
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")

# What must be on the machine, as (Debian package, program or file that shows it is there).
ALWAYS = (
    ("qemu-utils", "qemu-img"),
    ("openssh-client", "ssh"),
    ("e2fsprogs", "mkfs.ext4"),
    ("git", "git"),
    ("gcc", "gcc"),
    ("libxml2-dev", "/usr/include/libxml2/libxml/parser.h"),
)
TIER_LOCAL = (
    ("qemu-system-common", "qemu-storage-daemon"),
    ("fuse3", "fusermount3"),
    ("openssh-server", "sshd"),
    ("util-linux", "nsenter"),
    ("mount", "losetup"),
)
TIER_GUEST = (
    ("qemu-system-common", "qemu-storage-daemon"),
    ("qemu-system-x86", "qemu-system-x86_64"),
    ("mmdebstrap", "mmdebstrap"),
)
UNPRIVILEGED = (("uidmap", "newuidmap"), ("fakeroot", "fakeroot"))
CHECKS = (("rsync", "rsync"),)
# Ubuntu has it as a snap alone; there no test looks at the page of a repository.
BROWSER = (("chromium", "chromium"),)

PROBE = """
import importlib.util, json, os, sys, sysconfig
print(json.dumps([list(sys.version_info[:2]), os.path.realpath(sys.executable),
    os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")),
    importlib.util.find_spec("ensurepip") is not None]))
"""


class SetupError(Exception):
    """The set-up cannot go on; the text says what to do."""


@dataclasses.dataclass(frozen=True)
class Python:
    """An interpreter that was run and answered."""

    version: tuple[int, int]
    path: pathlib.Path
    headers: bool
    ensurepip: bool

    @property
    def name(self) -> str:
        """Its version as people write it."""
        return f"{self.version[0]}.{self.version[1]}"


@dataclasses.dataclass(frozen=True)
class Environment:
    """One virtual environment: where, of which Python, with which dependency groups."""

    directory: pathlib.Path
    python: Python
    groups: tuple[str, ...]
    core: str = ""
    """Version of ansible-core; the one of constraints.txt if empty."""

    @property
    def is_complete(self) -> bool:
        """Tell whether it has the tools of every check."""
        return "dev" in self.groups


def say(text: str) -> None:
    """Print what is being done, for the person who waits."""
    print(f"setup: {text}", flush=True)


def run(*words: str | os.PathLike[str]) -> None:
    """Run a program whose output is shown only when it fails."""
    argv = [os.fspath(word) for word in words]
    done = subprocess.run(
        argv, check=False, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        command = " ".join(argv)
        raise SetupError(f"{command}\n{done.stdout}{done.stderr}\nended with {done.returncode}")


# ----- the machine ----------------------------------------------------------------------------------------------------


def search_path() -> list[pathlib.Path]:
    """Return directories that may hold interpreters: PATH, then the usual places, then pyenv's versions."""
    names = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    # After a change of user PYENV_ROOT may still be the first user's, and not readable.
    versions = sorted(pyenv.glob("*/bin")) if os.access(pyenv, os.R_OK | os.X_OK) else []
    places = [pathlib.Path(name) for name in names if name] + versions
    return list(dict.fromkeys(places))


def probe(path: pathlib.Path) -> Python | None:
    """Ask an interpreter what it is; None if it does not run (a shim of a version that is not set up)."""
    try:
        argv = [str(path), "-c", PROBE]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
        version, executable, headers, ensurepip = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Python((version[0], version[1]), pathlib.Path(executable), headers, ensurepip)


def find_python(version: tuple[int, int]) -> Python | None:
    """Return the first interpreter of this version that runs; virtual environments count as what they were made from."""
    for place in search_path():
        candidate = place / f"python{version[0]}.{version[1]}"
        found = probe(candidate) if os.access(candidate, os.X_OK) else None
        if found and found.version == version:
            return found
    return None


def find_main_python() -> Python:
    """Return the interpreter of .venv: the first that gets the new ansible-core, else 3.11."""
    for version in (*NEW_CORE_PYTHONS, OLD_CORE_PYTHON):
        found = find_python(version)
        if found:
            return found
    raise SetupError("no Python of 3.11 or newer was found")


def browser() -> tuple[tuple[str, str], ...]:
    """Return the browser that looks at the page of a repository, where there is a package of it."""
    try:
        system = platform.freedesktop_os_release()["ID"]
    except OSError:
        return ()
    return BROWSER if system == "debian" else ()


def wanted_packages(level: str) -> list[tuple[str, str]]:
    """Return the Debian packages that a level needs, each with its sign; one that two parts want comes once."""
    parts = {
        "run": (*ALWAYS, *TIER_LOCAL),
        "guest": (*ALWAYS, *TIER_GUEST, *(() if os.geteuid() == 0 else UNPRIVILEGED)),
        "dev": (*ALWAYS, *TIER_LOCAL, *TIER_GUEST, *UNPRIVILEGED, *CHECKS, *browser()),
    }
    return list(dict.fromkeys(parts[level]))


def missing_packages(level: str, pythons: list[Python]) -> list[str]:
    """Return the Debian packages that this machine lacks."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])
    lacking = [
        package
        for package, sign in wanted_packages(level)
        if not (os.path.exists(sign) if sign.startswith("/") else shutil.which(sign, path=path))
    ]
    for python in pythons:
        if python.path.is_relative_to("/usr/bin"):
            lacking += [] if python.headers else [f"python{python.name}-dev"]
            lacking += [] if python.ensurepip else [f"python{python.name}-venv"]
    return lacking


def install_packages(packages: list[str]) -> None:
    """Install Debian packages where this process may; else say the command and stop."""
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(f"these Debian packages are missing; as root, run:\n  {command}")
    say(f"installing Debian packages: {' '.join(packages)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    try:
        run(*command.split())
    except SetupError:  # a fresh machine or a stale package list
        run("apt-get", "update")
        run(*command.split())


def core_name(python: Python) -> str:
    """Return the ansible-core that constraints.txt gives a Python."""
    return "2.19" if python.version == OLD_CORE_PYTHON else "2.21"


# ----- what is made ---------------------------------------------------------------------------------------------------


def fingerprint(environment: Environment) -> str:
    """Return everything that an environment depends on; if it changes, the environment is made again."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wishes = (settings["dependency-groups"], settings["tool"]["uv"])
    digest = hashlib.sha256(repr((environment.python, environment.groups, wishes)).encode())
    digest.update((ROOT / "constraints.txt").read_bytes())
    digest.update(environment.core.encode())
    return digest.hexdigest()


def constraints(environment: Environment) -> pathlib.Path:
    """Return the pins of an environment: constraints.txt, or what it becomes with another ansible-core."""
    pins = ROOT / "constraints.txt"
    if not environment.core:
        return pins
    lines = pins.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(BOUND_TO_CORE)]
    changed = CACHE / f"constraints-{environment.core}.txt"
    changed.write_text("\n".join([*kept, f"ansible-core=={environment.core}", ""]), "utf-8")
    return changed


def other_cores(main: Python, old: Python | None) -> dict[str, Environment]:
    """Return an environment for each supported ansible-core but the main one's, as far as there is a Python for it.

    The first of them, the oldest, gets the tools of every check.
    """
    pythons = {python.version == OLD_CORE_PYTHON: python for python in (main, old) if python}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    versions: list[str] = settings["tool"]["ovirt-backup"]["other-cores"]
    found = {}
    for version in versions:
        name = version.rpartition(".")[0]
        python = pythons.get(name in CORES_OF_OLD_PYTHON)
        if not python or name == core_name(main):
            continue
        if version == versions[0]:
            directory = ROOT / f".venv-{name.replace('.', '')}"
            found[name] = Environment(directory, python, ("test", "dev"), version)
        else:
            found[name] = Environment(CACHE / "cores" / name, python, ("test",), version)
    return found


def is_made(stamp: pathlib.Path, wanted: str) -> bool:
    """Tell whether a piece was made completely, of just these inputs."""
    return stamp.is_file() and stamp.read_text(encoding="ascii") == wanted


def make_uv(python: Python) -> None:
    """Install uv beside the environments, with the pip that Python brings."""
    stamp, wanted = UV / "stamp", fingerprint(Environment(UV, python, ("fetched",)))
    if is_made(stamp, wanted):
        return
    say("installing uv")
    shutil.rmtree(UV, ignore_errors=True)
    run(python.path, "-m", "venv", UV)
    run(UV / "bin/python", "-m", "pip", "install", "-q", "-c", "constraints.txt", "uv")
    stamp.write_text(wanted, encoding="ascii")


def make_environment(environment: Environment, python: Python) -> None:
    """Make or renew one virtual environment; a larger one of the same pins serves a smaller wish.

    The other Python is the one uv runs on.
    """
    stamp = environment.directory / "stamp"
    enough = (environment, dataclasses.replace(environment, groups=("test", "dev")))
    if any(is_made(stamp, fingerprint(one)) for one in enough):
        return
    make_uv(python)
    where = environment.directory.relative_to(ROOT)
    say(f"making {where} with Python {environment.python.name}: {' and '.join(environment.groups)}")
    uv = UV / "bin/uv"
    run(uv, "venv", "-q", "--clear", "--python", environment.python.path, environment.directory)
    # Compiled now, once: every module task imports the SDK in a new process, four times slower from source.
    # The certificates of the system, as pip has it: a site's proxy may have one of its own.
    install = ["pip", "install", "-q", "--system-certs", "--compile-bytecode"]
    install += ["-c", os.fspath(constraints(environment))]
    for group in environment.groups:
        install += ["--group", group]
    run(uv, *install, "--python", environment.directory / "bin/python")
    stamp.write_text(fingerprint(environment), encoding="ascii")


def make_workspace() -> None:
    """Make .cache/ws, where the checkout stands as ansible_collections/ovirt_community/backup."""
    link = CACHE / "ws/ansible_collections/ovirt_community/backup"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to("../../../..")


def make_test_inputs(environment: Environment) -> None:
    """Fetch what the checks of one ansible-core need besides its environment."""
    python = environment.directory / "bin/python"
    for script in ("fetch_collections.py", "pip_for_ansible_test.py"):
        argv = [str(python), "-B", str(ROOT / "tools" / script)]
        done = subprocess.run(argv, check=False, cwd=ROOT, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise SetupError(f"tools/{script} failed")


def share_collections(core: str, other: str) -> None:
    """Let one ansible-core use the tree of another on the same Python."""
    link = CACHE / "collections" / core
    if link.is_symlink() and os.fspath(link.readlink()) == other:
        return
    if link.is_symlink():
        link.unlink()
    shutil.rmtree(link, ignore_errors=True)  # of an earlier choice of versions
    link.symlink_to(other)


def note_python(path: pathlib.Path) -> None:
    """Leave a link for tools/bootstrap, which need not search the next time."""
    link = CACHE / "python"
    if not link.is_symlink() or link.readlink() != path:
        link.unlink(missing_ok=True)
        link.symlink_to(path)


def set_up(level: str) -> None:
    """Bring the checkout to one level."""
    main = find_main_python()
    old = find_python(OLD_CORE_PYTHON) if level == "dev" else None
    packages = missing_packages(level, [python for python in (main, old) if python])
    if packages:
        install_packages(packages)
        main = find_main_python()
        old = find_python(OLD_CORE_PYTHON) if old else None
    note_python(main.path)
    make_workspace()
    if level == "dev":
        complete = Environment(ROOT / ".venv", main, ("test", "dev"))
        make_all({core_name(main): complete, **other_cores(main, old)}, main)
    else:
        make_environment(Environment(ROOT / ".venv", main, ("test",)), main)


def make_all(environments: dict[str, Environment], main: Python) -> None:
    """Make what the checks need, and note it for them."""
    for one in environments.values():
        make_environment(one, main)
        if one.is_complete:
            make_test_inputs(one)
    trees = {one.python: core for core, one in environments.items() if one.is_complete}
    for core, one in environments.items():
        if not one.is_complete:
            share_collections(core, trees[one.python])
    oldest = find_python(OLDEST_PYTHON)
    facts = {
        "environments": {
            core: str(one.directory.relative_to(ROOT)) for core, one in environments.items()
        },
        "oldest_python": str(oldest.path) if oldest else None,
    }
    (CACHE / "setup.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Run the set-up under a lock, so that two commands started together do not meet."""
    parser = argparse.ArgumentParser(description="Set up this checkout.")
    parser.add_argument("level", choices=("run", "guest", "dev"))
    level = parser.parse_args().level
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            set_up(level)
        except SetupError as error:
            print(f"setup: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
