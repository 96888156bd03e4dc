# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the generated part of docs/limits.md from the rules in core; with --check, only compare.

Needs the collection on the path (PYTHONPATH=.cache/ws), as the tests have it.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterable, Sequence

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import options
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.rules import (
    rules,
    vm_guard,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs/limits.md"
BEGIN = "<!-- rules: begin. Written by tools/rule_docs.py from _core/rules/rules.py and _core/rules/vm_guard.py; change it there. -->\n"
END = "<!-- rules: end -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def all_rules() -> list[rules.Rule]:
    """Return every rule, in the order of the source."""
    return [value for value in vars(rules).values() if isinstance(value, rules.Rule)]


def rule_table() -> str:
    """Return the table of rules: what must hold, why, and what to do."""
    rows = [
        (f"`{one.id}`", one.sentence, one.reason, options.told(one.remedy)) for one in all_rules()
    ]
    return table(("rule", "says", "because", "instead"), rows)


def told(operation: str, part: str) -> str:
    """Return the rules that an operation breaks for a VM in one part."""
    found = [
        f"`{one.rule.id}`{' if plugged' if one.plugged_only else ''}"
        for one in vm_guard.TABLE
        if one.part == part and operation in one.operations
    ]
    return ", ".join(found) or "-"


def operation_table() -> str:
    """Return the table of operations, and the rules that they break in each part."""
    rows = [
        (
            f"`{name}`",
            told(name, vm_guard.HOLDER),
            told(name, vm_guard.SOURCE),
            vm_guard.FREE.get(name, ""),
        )
        for name in vm_guard.OPERATIONS
    ]
    head = ("operation", "of a VM that holds disk snapshots", "of their source VM", "")
    return table(head, rows)


def refusal_table() -> str:
    """Return the table of final refusals, with the rule behind each, or why there is none."""
    ruled = [(f"`{reason}`", f"rule `{rule.id}`") for reason, rule in rules.BY_REASON.items()]
    free = [(f"`{reason}`", why) for reason, why in rules.NO_RULE.items()]
    return table(("`details.reason`", "rule, or why no rule applies"), ruled + free)


def generated() -> str:
    """Return the part between the marks."""
    return (
        f"{rule_table()}\n### By operation\n\nRules that `vm_guard` checks for each operation:\n\n{operation_table()}\n"
        "### Refusals of the engine\n\nPermanent refusals of the engine, by the reason that the modules"
        f" report. The modules retry temporary refusals until the timeout.\n\n{refusal_table()}"
    )


def page(text: str) -> str:
    """Return the page with a new generated part."""
    head, _begin, rest = text.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    if not rest or not _end:
        raise SystemExit(f"{TARGET}: the marks are gone")
    return f"{head}{BEGIN}\n{generated()}\n{END}{tail}"


def main() -> int:
    """Write the page, or compare."""
    text = TARGET.read_text(encoding="utf-8")
    wanted = page(text)
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if text == wanted:
        return 0
    print(f"{TARGET.relative_to(ROOT)} is out of date: run tools/rule_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
