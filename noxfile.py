# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check and test of the collection, one session each.

`make test` sets everything up and runs them all in three lanes (tools/checks.py); after that, `.venv/bin/nox -s NAME` runs
one. Sessions share the environments that tools/bootstrap makes: making one per session would cost minutes.

Tags, by which tools/checks.py gives sessions to lanes: `lab` makes devices and mounts of this machine; `light` makes none: it
reads the tree, or asks a lab of its own; `waiting` makes devices too, and waits for part of its time; `last` looks
at what others left. Sessions share nothing: each lab has its own directory, ports and namespaces, and takes a free loop device.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shutil
from typing import NoReturn

import nox

ROOT = pathlib.Path(__file__).resolve().parent
CACHE = ROOT / ".cache"
COLLECTION = "ansible_collections/ovirt_community/backup"
CORES = ("2.21", "2.16")  # what the tools of the checks run on: the newest and the oldest
# From what meta/runtime.yml says to the newest.
SUPPORTED = ("2.16", "2.17", "2.18", "2.19", "2.20", "2.21")
STRICT = bool(os.environ.get("CHECKS_STRICT"))  # a part that cannot run here is an error
ALL = bool(os.environ.get("CHECKS_ALL"))  # `make test-all`: all that the guests can prove
JUNIT = os.environ.get("CHECKS_JUNIT")  # where tools/checks.py counts tests
COVERAGE_OVERALL = 95
COVERAGE_CORE = 100
SANITY_TESTS = {
    *(
        "action-plugin-docs",
        "ansible-doc",
        "changelog",
        "compile",
        "empty-init",
        "ignores",
        "import",
    ),
    *("line-endings", "no-assert", "no-illegal-filenames", "no-smart-quotes", "pep8", "pylint"),
    *("runtime-metadata", "shebang", "symlinks", "validate-modules", "yamllint"),
}

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "none"
nox.options.envdir = str(CACHE / "nox")
nox.options.stop_on_first_error = False

both_cores = nox.parametrize("core", [nox.param(core, id=core) for core in CORES])
every_core = nox.parametrize("core", [nox.param(core, id=core) for core in SUPPORTED])

# What these test lies below Ansible, so the newest core is enough but in `make test-all`; everything else runs on both.
BELOW_ANSIBLE = (
    "test_all_or_nothing.py",
    "test_guard.py",
    "test_lost_answers.py",
    "test_refusals.py",
    "test_snapshots.py",
)

# Backups and restores that are slow, stopped or lost: they take long, and wait for part of it. `appliance` has the rest of their directory.
WAITING = {
    "following": "test_following.py",
    "restores": "test_restore_play.py",
    "runs": "test_two_runs.py",
}
# A backup and a restore on every core, so in a session of its own.
ROUND_TRIP = "test_round_trip.py"

# Suites that run code of the collection in their own process. The others have it run by Ansible, in processes that are not
# measured, or run what `unit` has run.
MEASURED = ("unit", "contract", "appliance", "lab_tests")


@dataclasses.dataclass(frozen=True)
class Setup:
    """What tools/bootstrap found and made."""

    environments: dict[str, str]  # ansible-core to directory; the main one first
    oldest_python: str | None  # Python 3.9

    @property
    def newest(self) -> str:
        """The ansible-core of the main environment."""
        return next(iter(self.environments))


def setup(session: nox.Session) -> Setup:
    """Read what tools/bootstrap noted."""
    notes = CACHE / "setup.json"
    if not notes.is_file():
        session.error("not set up: run `make setup` first")
    return Setup(**json.loads(notes.read_text(encoding="utf-8")))


def not_run(session: nox.Session, why: str) -> NoReturn:
    """End a session that cannot run on this machine: skipped, or failed where everything must run."""
    if STRICT:
        session.error(f"cannot run here: {why}")
    session.skip(f"NOT RUN: {why}")


def programs(session: nox.Session, core: str) -> pathlib.Path:
    """Return the bin directory of the environment with this ansible-core."""
    environments = setup(session).environments
    if core not in environments:
        not_run(session, f"no Python for ansible-core {core} on this machine")
    return ROOT / environments[core] / "bin"


def environment(
    session: nox.Session, core: str, workspace: pathlib.Path = CACHE / "ws"
) -> dict[str, str]:
    """Environment variables that make the collection, the lab and the right Ansible findable."""
    path = [
        str(programs(session, core)),
        *os.environ["PATH"].split(os.pathsep),
        "/usr/sbin",
        "/sbin",
    ]
    return {
        "ANSIBLE_COLLECTIONS_PATH": f"{workspace}:{CACHE / 'collections' / core}",
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "CHECKS_BYTECODE": str(CACHE / "bytecode"),  # read by tests/sitecustomize.py
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": f"{workspace}:{ROOT / 'tests'}",
    }


def stage(session: nox.Session, name: str) -> pathlib.Path:
    """Copy what is not ignored to a collections path of its own: for tools that walk the tree, write into it, or
    (ansible-test) refuse links."""
    target = CACHE / "stage" / name / COLLECTION
    target.mkdir(parents=True, exist_ok=True)
    session.run(
        *("rsync", "-a", "--delete", "--exclude=/.git", "--filter=:- .gitignore"),
        *(f"{ROOT}/", f"{target}/"),
        external=True,
    )
    # Else tools that ask git take the copy for an ignored part of this checkout: nothing to check.
    session.run("git", "init", "-q", str(target), external=True, log=False)
    return target


def run(session: nox.Session, *argv: str, core: str | None = None, **extra: str) -> None:
    """Run a program of an environment in the current directory."""
    core = core or setup(session).newest
    program = programs(session, core) / argv[0]
    session.run(str(program), *argv[1:], env={**environment(session, core), **extra}, external=True)


def output_of(session: nox.Session, *argv: str, core: str, **extra: str) -> str:
    """Run a program, show what it prints, and return it: some call nothing to do a success."""
    program = programs(session, core) / argv[0]
    variables = {**environment(session, core), **extra}
    shown = session.run(str(program), *argv[1:], env=variables, external=True, silent=True)
    session.log(f"its output:\n{shown}")
    return str(shown)


# ----- reading the tree -----------------------------------------------------------------------------------------------


@nox.session(tags=["light"])
def lint(session: nox.Session) -> None:
    """Format and lint of Python and YAML, and the rules of this house."""
    run(session, "ruff", "format", "--check", "--diff", ".")
    run(session, "ruff", "check", ".")
    run(session, "python", "-B", "tools/house_rules.py")
    with session.chdir(stage(session, "lint")):
        run(session, "yamllint", "--strict", ".")


@nox.session(tags=["light"])
def types(session: nox.Session) -> None:
    """mypy, strict, over everything that is Python; older ansible-cores declare too few types for that."""
    trees = [str(CACHE / "ws" / COLLECTION / "plugins"), "tests", "tools", "noxfile.py"]
    run(session, "mypy", *trees)


@nox.session(tags=["light"])
def layers(session: nox.Session) -> None:
    """modules -> module | engine | appliance -> core."""
    run(session, "lint-imports", "--config", "pyproject.toml", "--no-cache")


@nox.session(tags=["light"])
def license(session: nox.Session) -> None:  # noqa: A001 - the name people type
    """Every file says its licence."""
    run(session, "reuse", "--root", str(stage(session, "license")), "lint")


@nox.session(tags=["light"])
def changelog(session: nox.Session) -> None:
    """Changelog fragments."""
    with session.chdir(stage(session, "changelog")):
        run(session, "antsibull-changelog", "lint")


@nox.session(tags=["light"])
@both_cores
def docs(session: nox.Session, core: str) -> None:
    """Documentation of modules and roles, and the references in it."""
    with session.chdir(stage(session, f"docs-{core}")):
        run(
            session,
            *("antsibull-docs", "lint-collection-docs", "--plugin-docs"),
            *("--validate-collection-refs", "all", "."),
            core=core,
        )


@nox.session(tags=["light"])
def ansible_lint(session: nox.Session) -> None:
    """ansible-lint, profile production, of the whole tree; `importer` lints what ships, on both cores."""
    with session.chdir(stage(session, "ansible-lint")):
        run(session, "ansible-lint", "--strict", "--offline", "--nocolor")


@nox.session(tags=["light"])
@both_cores
def importer(session: nox.Session, core: str) -> None:
    """Build the artefact; see what it holds; install and verify it offline; import and lint it as a Galaxy server would."""
    dist = CACHE / f"dist-{core}"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    config = dist / "importer.cfg"
    config.write_text(
        "[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nRUN_ANSIBLE_LINT = False\nCHECK_CHANGELOG = True\n",
        encoding="ascii",
    )
    galaxy = ("ansible-galaxy", "collection")
    tree = stage(session, f"importer-{core}")
    with session.chdir(tree):
        run(session, *galaxy, "build", "--force", "--output-path", str(dist), core=core)
    [artefact] = dist.glob("ovirt_community-backup-*.tar.gz")
    run(session, "python", "-B", "tools/artefact.py", str(artefact), str(tree), core=core)
    with session.chdir(dist):
        installed = {"ANSIBLE_COLLECTIONS_PATH": str(dist / "installed"), "PYTHONPATH": ""}
        run(
            session,
            *galaxy,
            "install",
            artefact.name,
            "-p",
            "installed",
            "--offline",
            "--force",
            core=core,
            **installed,
        )
        run(
            session,
            *galaxy,
            "verify",
            "--offline",
            "ovirt_community.backup",
            core=core,
            **installed,
        )
        importing = {"GALAXY_IMPORTER_CONFIG": str(config), "PYTHONPATH": ""}
        argv = ("python", "-m", "galaxy_importer.main", artefact.name)
        shown = output_of(session, *argv, core=core, **importing)
    if complaints := re.findall(r"^(?:WARNING|ERROR|CRITICAL): .*", shown, re.MULTILINE):
        session.error("the importer complains: " + "; ".join(complaints))
    # As the importer calls it, which ends well whatever ansible-lint says, and gives it three minutes whatever the machine.
    # Some playbooks use ovirt.ovirt.
    path = os.pathsep.join([str(dist / "installed"), str(CACHE / "collections" / core)])
    linting = {"ANSIBLE_COLLECTIONS_PATH": path, "PYTHONPATH": ""}
    lint = ("ansible-lint", "--profile", "production", "--format", "pep8", "--nocolor", "--offline")
    skipped = "yaml,var-naming,avoid-dot-notation,import-task-no-when,single-entry-point,use-loop"
    with session.chdir(dist / "installed" / COLLECTION):
        run(session, *lint, "--strict", "--skip-list", skipped, core=core, **linting)


@nox.session(tags=["light"])
@both_cores
def sanity(session: nox.Session, core: str) -> None:
    """ansible-test sanity without a container; no ignore files."""
    binaries = programs(session, core)
    oldest = setup(session).oldest_python
    if not oldest:
        session.warn("NOT RUN: compile and import on Python 3.9, which is not on this machine")
        if STRICT:
            session.error("Python 3.9, the appliance's, is not on this machine")
    tree = stage(session, f"sanity-{core}")
    if list(tree.glob("tests/sanity/ignore*")):
        session.error("tests/sanity has ignore files: mend the cause instead")
    # Not the caller's PATH: a version manager's shims that fail would end the run.
    places = [str(binaries), *([str(pathlib.Path(oldest).parent)] if oldest else [])]
    path = os.pathsep.join([*places, "/usr/local/bin", "/usr/bin", "/bin"])
    variables = {"PATH": path, "PYTHONPATH": "", "ANSIBLE_COLLECTIONS_PATH": ""}
    argv = ("ansible-test", "sanity", "--color", "no")
    with session.chdir(tree):
        shown = output_of(session, *argv, core=core, **variables)
    missing = SANITY_TESTS - set(re.findall(r'Running sanity test "([^"]+)"', shown))
    if missing:
        session.error(f"these sanity tests did not run: {' '.join(sorted(missing))}")


# ----- running things -------------------------------------------------------------------------------------------------


def pytest(session: nox.Session, suite: str, core: str, *options: str, **extra: str) -> None:
    """Run one directory of tests, or one file of it.

    Only the newest core measures coverage, and only where that finds something: it doubles the time of tests that compute.
    """
    measured = core == setup(session).newest and suite in MEASURED
    place = ROOT / "tests" / suite
    if not place.is_file() and not any(place.rglob("test_*.py")):
        not_run(session, f"there are no tests in {place.relative_to(ROOT)}")
    (CACHE / "coverage").mkdir(parents=True, exist_ok=True)
    run(
        session,
        *("python", "-B", "-m", "pytest", f"tests/{suite}"),
        *(("--cov", "--cov-report=") if measured else ()),
        *([f"--junit-xml={JUNIT}"] if JUNIT else []),
        *options,
        *session.posargs,
        core=core,
        COVERAGE_FILE=str(CACHE / "coverage" / f".coverage.{suite.replace('/', '-')}-{core}"),
        **extra,
    )


@nox.session(tags=["light"])
@both_cores
def units(session: nox.Session, core: str) -> None:
    """Rules, plans and conversions by tables and properties."""
    pytest(session, "unit", core)


@nox.session(tags=["light"])
@every_core
def supported(session: nox.Session, core: str) -> None:
    """Each ansible-core that we support reads the whole collection; what meets Ansible does so on all of them."""
    # The session `units` has these on its own cores.
    meeting = () if core in CORES else ("tests/unit/module", "tests/unit/plugin_utils")
    pytest(session, "supported", core, *meeting, ANSIBLE_CORE=core)


@nox.session(tags=["lab"])
def appliance(session: nox.Session) -> None:
    """What runs on the appliance: real images, real devices of this machine."""
    apart = (*WAITING.values(), ROUND_TRIP)
    options = [f"--ignore=tests/appliance/{name}" for name in apart]
    pytest(session, "appliance", setup(session).newest, *options)


@nox.session(tags=["waiting"])
@nox.parametrize("what", [nox.param(name, id=name) for name in WAITING])
def plays(session: nox.Session, what: str) -> None:
    """Playbooks on a lab with an appliance, while all kinds of things happen."""
    pytest(session, f"appliance/{WAITING[what]}", setup(session).newest)


@nox.session(tags=["lab"])
def lab(session: nox.Session) -> None:
    """The lab itself: what it does to images and devices of this machine, and how it answers."""
    pytest(session, "lab_tests", setup(session).newest)


@nox.session(tags=["light"])
def recorded(session: nox.Session) -> None:
    """What a real engine was asked, asked of the lab: every answer equal, or excused by name."""
    run(session, "python", "-B", "-m", "player")


@nox.session(tags=["light"])
def contract(session: nox.Session) -> None:
    """The engine port, through the real SDK, against the lab."""
    pytest(session, "contract", setup(session).newest)


@nox.session(tags=["light"])
@both_cores
def modules(session: nox.Session, core: str) -> None:
    """Modules and playbooks, run by the real Ansible against the lab."""
    below = () if core == CORES[0] or ALL else BELOW_ANSIBLE
    options = [f"--ignore=tests/integration/{name}" for name in below]
    pytest(session, "integration", core, *options)


@nox.session(tags=["lab"])
def molecule(session: nox.Session) -> None:
    """Roles from end to end."""
    if not (ROOT / "extensions/molecule").is_dir():
        not_run(session, "there is no extensions/molecule")
    run(
        session,
        *("molecule", "test", "--all", "--exclude", "guest", "--report", "--no-command-borders"),
    )


@nox.session(tags=["lab"])
def guest(session: nox.Session) -> None:
    """The lab's tier of Linux guests under QEMU, and the roles from end to end on it."""
    if not shutil.which("qemu-system-x86_64"):
        not_run(session, "qemu-system-x86_64 is not installed")
    chosen = () if ALL else ("-m", "not thorough")
    pytest(session, "guest_tests", setup(session).newest, *chosen)
    # Its playbook too looks at CHECKS_ALL: one backup and one restore, or all that can happen to them.
    run(
        session,
        *("molecule", "test", "-s", "guest", "--report", "--no-command-borders"),
        LAB_UP="--tier guest --blank",
    )


@nox.session(tags=["lab"])
@every_core
def round_trip(session: nox.Session, core: str) -> None:
    """Each ansible-core that we support makes a backup and a restore; the engine and the disks tell whether it did."""
    pytest(session, f"appliance/{ROUND_TRIP}", core)


@nox.session(tags=["last"])
def coverage(session: nox.Session) -> None:
    """Branch coverage of what the test suites ran together."""
    data = CACHE / "coverage"
    parts = [str(path) for path in sorted(data.glob(".coverage.*"))]
    if not parts:
        session.error("no test suite has run")
    total = {"COVERAGE_FILE": str(data / "total")}
    run(session, "coverage", "combine", "--keep", "-q", *parts, **total)
    core = "--include=plugins/module_utils/_core/*"
    run(session, "coverage", "report", core, f"--fail-under={COVERAGE_CORE}", **total)
    run(session, "coverage", "report", f"--fail-under={COVERAGE_OVERALL}", **total)
