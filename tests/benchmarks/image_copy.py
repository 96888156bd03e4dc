# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast disk_image_copy is on this machine, and how often it reads a byte. Run by hand, as root.

    PYTHONPATH=TREE:tests python tests/benchmarks/image_copy.py [MIB [DIRECTORY]]

TREE is the directory that holds ansible_collections. A quarter of the disk is random, a quarter
text, half zero. "passes" counts what the kernel read from the device, per byte of it.
"""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import uuid
from pathlib import Path

from appliance.loops import MIB, LoopAppliance

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.images.image_copy import (
    ImageCopy,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)

FORMATS = (("raw", "none"), ("qcow2", "none"), ("qcow2", "zstd"))
_STRIPE = 16


def fill(path: Path, mebibytes: int) -> None:
    """Random, text, zero, zero, in stripes."""
    words = [f"{secrets.randbits(32):08x} lorem ipsum {number} " for number in range(4096)]
    with path.open("wb") as file:
        for start in range(0, mebibytes, _STRIPE):
            length = min(_STRIPE, mebibytes - start) * MIB
            file.seek(start * MIB)
            kind = start // _STRIPE % 4
            if kind == 0:
                file.write(os.urandom(length))
            elif kind == 1:
                text = "".join(secrets.choice(words) for _unused in range(length // 24)).encode()
                file.write((text + bytes(length))[:length])
        file.truncate(mebibytes * MIB)
        os.fsync(file.fileno())


def sectors(node: str) -> int:
    """Sectors that were read from a device so far."""
    return int(Path(f"/sys/block/{Path(node).name}/stat").read_text(encoding="ascii").split()[2])


def measure(appliance: LoopAppliance, node: str, request: CopyRequest) -> None:
    """Copy once and print the line."""
    size = request.images[0].size
    before = sectors(node)
    operation = ImageCopy(request, appliance.host)
    image = operation.execute(operation.plan())["images"][0]
    copy, verify = image["seconds"]["copying"], image["seconds"]["verifying"]
    passes = (sectors(node) - before) * 512 / size
    rate = size / MIB / (copy + verify)
    name = f"{request.format}/{request.compression}"
    sys.stdout.write(
        f"{name:12} copy {copy:7.2f} s  verify {verify:7.2f} s  {rate:7.0f} MiB/s  "
        f"stored {image['bytes_stored'] / MIB:7.0f} MiB  passes {passes:.2f}\n"
    )


def main() -> None:
    """Measure every format."""
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    place = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory(dir=place) as directory:
        root = Path(directory) / "appliance"
        root.mkdir()
        appliance = LoopAppliance(root)
        try:
            file = root / "disk"
            fill(file, mebibytes)
            node, serial = appliance.attach(file), str(uuid.uuid4())
            appliance.name(node, serial)
            sys.stdout.write(
                f"{mebibytes} MiB, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs\n"
            )
            for fmt, compression in FORMATS:
                dest = str(Path(directory) / f"{fmt}-{compression}")
                request = CopyRequest(
                    (ImageRequest(serial, mebibytes * MIB, dest),), fmt, compression, 0.0
                )
                measure(appliance, node, request)
        finally:
            appliance.close()


if __name__ == "__main__":
    main()
