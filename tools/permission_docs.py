# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables of docs/permissions.md from plugins/module_utils/_core/engine/permissions.py; with --check, only compare.

The source is loaded by its path: it needs nothing but the standard library.
"""

from __future__ import annotations

import importlib.util
import pathlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "plugins/module_utils/_core/engine/permissions.py"
TARGET = ROOT / "docs/permissions.md"
BEGIN = "<!-- Written by tools/permission_docs.py from plugins/module_utils/_core/engine/permissions.py. -->\n"
END = "<!-- End of what is written. -->\n"
HEAD = "| permit | on | asked for by | because | grant it on |\n|---|---|---|---|---|\n"


def load() -> ModuleType:
    """Return the module with the list."""
    spec = importlib.util.spec_from_file_location("permissions", SOURCE)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{SOURCE} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def table(needs: Sequence[Any]) -> str:
    """Return a list of permits as a table for people."""
    rows = [
        f"| `{need.permit}` | {need.kind} | {', '.join(f'`{call}`' for call in need.calls)}"
        f" | {need.sentence} | {need.grant_on} |\n"
        for need in needs
    ]
    return HEAD + "".join(rows)


def page(now: str) -> str:
    """Return the page with current tables: for a backup, then for a restore."""
    module = load()
    reading = f"\nReading: {module.READING[0].lower()}{module.READING[1:]}\n"
    tables = (table(module.NEEDS) + reading, table(module.RESTORE_NEEDS))
    parts = now.split(BEGIN)
    if len(parts) != len(tables) + 1 or any(END not in part for part in parts[1:]):
        raise SystemExit(f"{TARGET.relative_to(ROOT)} does not say where the tables go")
    ends = [part.partition(END)[2] for part in parts[1:]]
    written = [f"{BEGIN}\n{one}\n{END}{end}" for one, end in zip(tables, ends, strict=True)]
    return parts[0] + "".join(written)


def main() -> int:
    """Write the page, or compare."""
    now = TARGET.read_text(encoding="utf-8")
    wanted = page(now)
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if now == wanted:
        return 0
    name = TARGET.relative_to(ROOT)
    print(f"{name} is out of date: run tools/permission_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
