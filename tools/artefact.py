# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what a built artefact holds: prints each breach, and fails if there is one.

`python tools/artefact.py ARTEFACT TREE`, where the tree is what the artefact was built from.

- its top level, and the kinds of plugin in it, are exactly those named here;
- below them it holds every file of the tree, but for those named here, and no other;
- no file in it points to the lab or to another part of the tree that does not ship.
"""

from __future__ import annotations

import pathlib
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping

TOP = {
    *("CHANGELOG.rst", "LICENSE", "LICENSES", "README.md", "REUSE.toml"),
    *("bindep.txt", "changelogs", "docs", "execution-environment.yml", "meta"),
    *("playbooks", "plugins", "requirements.txt", "roles"),
}
PLUGINS = {
    *("action", "doc_fragments", "filter", "lookup", "module_utils", "modules", "plugin_utils"),
}
BUILT = {"FILES.json", "MANIFEST.json"}  # ansible-galaxy writes them
HELD_BACK = {"docs/lab.md"}  # about the lab, which does not ship
LAB = re.compile(r"\btests/lab\b|\bextensions/molecule\b")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def content_of(artefact: str) -> dict[str, str]:
    """Return path and text of every file in an artefact; all of them are text."""
    found = {}
    with tarfile.open(artefact) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file:
                found[member.name] = file.read().decode("utf-8")
    return found


def files_of(tree: pathlib.Path) -> set[str]:
    """Return the paths of the files in a tree that should ship."""
    files = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    return {path for path in files if path.partition("/")[0] in TOP} - HELD_BACK


def differences(what: str, found: set[str], wanted: set[str]) -> Iterator[str]:
    """Yield what should not be there, and what is missing."""
    yield from (f"{what}: {name} should not be in it" for name in sorted(found - wanted))
    yield from (f"{what}: {name} is missing" for name in sorted(wanted - found))


def pointers(content: Mapping[str, str]) -> Iterator[str]:
    """Find references to what is not in the artefact."""
    for name, text in sorted(content.items()):
        if found := LAB.search(text):
            yield f"{name}: refers to {found[0]}, which does not ship"
        if not name.endswith(".md"):
            continue
        for link in LINK.findall(FENCE.sub("", text)):
            target = (pathlib.Path("/", name).parent / link).resolve().relative_to("/")
            if str(target) not in content and not any(
                other.startswith(f"{target}/") for other in content
            ):
                yield f"{name}: links to {target}, which does not ship"


def breaches(content: Mapping[str, str], tree: pathlib.Path) -> Iterator[str]:
    """Yield every breach of an artefact that was built from a tree."""
    names = set(content)
    kinds = {name.split("/")[1] for name in names if name.startswith("plugins/")}
    yield from differences("the top level", {name.split("/")[0] for name in names}, TOP | BUILT)
    yield from differences("plugins", kinds, PLUGINS)
    yield from differences("the artefact", names, files_of(tree) | BUILT)
    yield from pointers(content)


def main() -> int:
    """Check one artefact."""
    artefact, tree = sys.argv[1:]
    found = list(breaches(content_of(artefact), pathlib.Path(tree)))
    print("\n".join(found) or f"{artefact}: ships what it should")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
