# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a repository of many sets is listed and pruned on this machine. Run by hand.

    PYTHONPATH=TREE:tests python tests/benchmarks/repository.py [SETS [DIRECTORY]]

TREE is the directory that holds ansible_collections. A hundred VMs, two disks each, a set a day; the
images are holes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from appliance.stored import START, Repository

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_info import (
    BackupSetInfo,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_set_prune import (
    BackupSetPrune,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_set_prune import (
    Policy,
    PruneRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.catalogue import (
    Filter,
)

VMS = 100


def fill(path: Path, sets: int) -> None:
    """Make the sets."""
    stored = Repository(path)
    for number in range(sets):
        vm = number % VMS
        when = START - timedelta(days=number // VMS)
        stored.add(vm, when, name=f"vm{vm}", run=f"r{number}", disks=2)


def measure(what: str, work: Callable[[], object]) -> None:
    """Do it and print how long it took, and how much of that this process worked."""
    start, worked = time.perf_counter(), time.process_time()
    work()
    took, worked = time.perf_counter() - start, time.process_time() - worked
    print(f"{what:<32} {took:6.2f} s, {worked:6.2f} s of work")  # noqa: T201


def main() -> None:
    """Measure."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    where = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=where) as directory:
        fill(Path(directory), sets)
        listing = BackupSetInfo(directory, Filter(), manifests=False)
        for what in ("list", "list again"):
            measure(f"{what} {sets} sets", listing.plan)
        request = PruneRequest(directory, Policy(daily=7, weekly=4))
        pruning = BackupSetPrune(request, START.timestamp)
        plan = pruning.plan()
        measure(f"decide on {sets} sets", pruning.plan)
        measure(f"remove {len(plan.steps)} sets", lambda: pruning.execute(plan))


if __name__ == "__main__":
    main()
