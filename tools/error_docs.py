# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/errors.md from the classes in plugins/module_utils/_core/common/errors.py; with --check, only compare.

The source is read, not imported, so any Python will do.
"""

from __future__ import annotations

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "plugins/module_utils/_core/common/errors.py"
TARGET = ROOT / "docs/errors.md"

HEAD = """\
<!--
Copyright (c) 2026, ovirt_community.backup contributors
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

# Error codes

Written by `tools/error_docs.py` from `plugins/module_utils/_core/common/errors.py`; change it there.

A message names options of the module that speaks. Where a role or a playbook sets an option from a variable, that stands behind it:
`Set format: true (variable backup_appliance_format: true)`. The table is `plugins/module_utils/_core/common/options.py`.

A module that fails returns `msg`, `error_code`, `hint` (may be empty) and `details`. The codes are stable, playbooks may test
them. What to do about the common ones: [troubleshooting](first-backup.md#troubleshooting).

| error_code | means | is a kind of |
|---|---|---|
"""

INTERNAL = "| `internal` | A fault of this collection. Report it, with the traceback that `-vvv` shows. |  |\n"


def code_of(node: ast.ClassDef) -> str:
    """Return the value of a class's attribute `code`."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code":
            return str(ast.literal_eval(statement.value))
    raise SystemExit(f"{SOURCE}: {node.name} has no code")


def meaning_of(node: ast.ClassDef) -> str:
    """Return the part of a docstring that is for everybody: up to its first section, on one line."""
    text = ast.get_docstring(node)
    if not text:
        raise SystemExit(f"{SOURCE}: {node.name} has no docstring")
    sentences = " ".join(re.split(r"\n\n(?:Args|Attributes):\n", text, maxsplit=1)[0].split())
    return sentences.replace("``", "`").replace("|", "\\|")


def page() -> str:
    """Return the whole page."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), str(SOURCE))
    codes: dict[str, str] = {}
    rows = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        codes[node.name] = code_of(node)
        parent = codes.get(ast.unparse(node.bases[0]))
        rows.append(
            f"| `{codes[node.name]}` | {meaning_of(node)} | {f'`{parent}`' if parent else ''} |\n"
        )
    return HEAD + "".join(rows) + INTERNAL


def main() -> int:
    """Write the page, or compare."""
    wanted = page()
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is out of date: run tools/error_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
