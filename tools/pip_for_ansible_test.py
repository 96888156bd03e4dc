# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give ansible-test the pip it bootstraps its environments with, out of PyPI.

ansible-test fetches a script `get_pip_X_Y.py` from a server of its own, unless it lies in its cache already. This
writes one there that installs the same pip version from a wheel beside it: then PyPI alone is enough.
"""

from __future__ import annotations

import importlib.util
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path("~/.ansible/test/cache").expanduser()

SCRIPT = '''\
"""Stands in for get-pip.py: installs the pip wheel beside this file. Written by ovirt_community.backup."""
import os
import runpy
import sys

here = os.path.dirname(os.path.abspath(__file__))
wheel = os.path.join(here, "{wheel}")
sys.path.insert(0, wheel)
sys.argv[1:] = ["install", "--no-index", "--disable-pip-version-check", wheel]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''


def wanted_version() -> str:
    """Return the pip version that this ansible-test asks for."""
    spec = importlib.util.find_spec("ansible_test")
    if not spec or not spec.submodule_search_locations:
        sys.exit("setup: ansible-core without ansible-test")
    package = pathlib.Path(spec.submodule_search_locations[0])
    source = (package / "_internal/python_requirements.py").read_text(encoding="utf-8")
    found = re.search(r"\bpip='([0-9.]+)'", source)
    if not found:
        sys.exit("setup: this ansible-test does not say which pip it wants")
    return found.group(1)


def main() -> None:
    """Write the script, unless there is one already."""
    version = wanted_version()
    script = CACHE / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    print(f"setup: fetching pip {version} for ansible-test", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    pip = [str(ROOT / ".cache/uv/bin/python"), "-m", "pip", "download", "-qq", "--no-deps"]
    subprocess.run([*pip, "-d", str(CACHE), f"pip=={version}"], check=True)
    text = SCRIPT.format(wheel=f"pip-{version}-py3-none-any.whl")
    script.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
