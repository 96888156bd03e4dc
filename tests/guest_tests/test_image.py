# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's image that cannot be made: the error says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.guest.image import Image, install
from lab.processes import CommandError, run


def test_a_build_that_fails_tells_what_apt_said(tmp_path: Path) -> None:
    work = Image(tmp_path)
    Path(f"{work.client_key}.pub").write_text("ssh-ed25519 none\n", encoding="ascii")
    with pytest.raises(CommandError, match=r"mmdebstrap .*: exit \d+: its last lines:") as error:
        install(work, tmp_path / "root.tar", mirror="http://127.0.0.1:9/debian")
    lines = str(error.value).splitlines()
    assert any("Connection refused" in line for line in lines), error.value
    assert 2 < len(lines) <= 31


def test_a_program_that_takes_too_long_tells_what_it_said() -> None:
    with pytest.raises(CommandError, match=r"still fetching\nnot done after 0\.5 s"):
        run(["sh", "-c", "echo still fetching >&2; exec sleep 30"], timeout=0.5)
