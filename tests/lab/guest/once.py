# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first boot of an image; all guests are resumed from the state at its end."""

from __future__ import annotations

from pathlib import Path

from lab.guest.image import Image
from lab.guest.linux import Linux, is_ready
from lab.guest.machine import Machine, command_line
from lab.host import HostError
from lab.processes import Registry


def boot_and_save(work: Image) -> None:
    """Boot the image's guest and write `work.state`; `work.disk` is what belongs to it."""
    registry = Registry.acquire(work.directory)
    directory = work.directory / "boot"
    directory.mkdir()
    try:
        words = command_line(work.kernel, work.initrd)
        machine = Machine(registry, words, work.disk, directory, None)
        try:
            linux = Linux("guest", work, directory)
            linux.came_up(machine.port)
            if not is_ready(linux):
                raise HostError("start", _last_words(directory))
            linux.shell("sync; echo 3 > /proc/sys/vm/drop_caches")
            part = work.state.with_suffix(".part")
            machine.save(part)
        finally:
            machine.quit()
        part.rename(work.state)
    finally:
        registry.release()


def _last_words(directory: Path) -> str:
    text = (directory / "serial").read_text(encoding="utf-8", errors="replace")
    return f"the guest does not come up: {text[-2000:]}"
