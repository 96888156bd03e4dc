# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the bytecode of the sources that Ansible packs into a module. Python imports this file when it starts.

A module comes to its process as a zip file of more than a hundred sources, without bytecode; to compile them takes a third of
the time that the module takes. Kept bytecode is found by the content of its source, as that of a hash-based .pyc (PEP 552).
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

PLACE = os.environ.get("CHECKS_BYTECODE")  # the directory; without it nothing is kept
PYTHON = f"{sys.implementation.cache_tag}-{sys.hexversion:x}-{sys.flags.optimize}"
KEY = 0  # the same for every source: each Python has a directory of its own

compile_source = getattr(zipimport, "_compile_source", None)


def kept_source(path: str, source: bytes) -> CodeType:
    """Return the code of a source in a zip file, compiled now or earlier."""
    assert PLACE
    assert compile_source
    kept = os.path.join(PLACE, PYTHON, _imp.source_hash(KEY, source).hex())
    try:
        with open(kept, "rb") as file:
            code: CodeType = marshal.load(file)  # noqa: S302 - as Python does with a .pyc
    except (OSError, EOFError, ValueError, TypeError):
        code = compile_source(path, source)
        keep(kept, marshal.dumps(code))
    _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
    return code


def keep(kept: str, content: bytes) -> None:
    """Write a file that others read at any time; do without where this process may not write."""
    partial = f"{kept}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(kept), exist_ok=True)
        with open(partial, "wb") as file:
            file.write(content)
        os.replace(partial, kept)
    except OSError:
        return


if PLACE and compile_source:
    zipimport._compile_source = kept_source  # type: ignore[attr-defined]
