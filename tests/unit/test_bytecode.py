# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytecode that tests/sitecustomize.py keeps is that of the source, wherever its zip file lies."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
SOURCE = "def where():\n    return where.__code__.co_filename, {}\nprint(*where())\n"


def said(directory: Path, bytecode: Path, value: int) -> str:
    """Run a module out of a zip file in the directory; return what it prints."""
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / "payload.zip", "w") as packed:
        packed.writestr("packed_module.py", SOURCE.format(value))
    done = subprocess.run(
        [sys.executable, "-c", "import packed_module"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(directory / "payload.zip"), str(TESTS)]),
            "CHECKS_BYTECODE": str(bytecode),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def kept(bytecode: Path) -> list[Path]:
    return [path for path in bytecode.rglob("*") if path.is_file()]


def test_bytecode_is_kept_by_the_content_of_its_source(tmp_path: Path) -> None:
    bytecode = tmp_path / "bytecode"
    first, second = tmp_path / "first", tmp_path / "second"
    assert said(first, bytecode, 1) == f"{first}/payload.zip/packed_module.py 1"
    [file] = kept(bytecode)
    before = file.stat().st_mtime_ns, file.stat().st_ino
    assert said(second, bytecode, 1) == f"{second}/payload.zip/packed_module.py 1"
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before, (
        "it was found, and not compiled again"
    )
    assert said(second, bytecode, 2) == f"{second}/payload.zip/packed_module.py 2"
    assert len(kept(bytecode)) == 2


def test_damaged_bytecode_is_made_again(tmp_path: Path) -> None:
    bytecode = tmp_path / "bytecode"
    expected = said(tmp_path, bytecode, 1)
    [file] = kept(bytecode)
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    assert said(tmp_path, bytecode, 1) == expected
    assert file.read_bytes() == whole


def test_nothing_is_kept_where_nothing_may_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert said(tmp_path, file / "below", 1).endswith(" 1")
