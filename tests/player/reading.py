# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read texts of an answer by the paths that scenes use, and wait for one."""

from __future__ import annotations

import json
import re
import time
import xml.etree.ElementTree as ET

from player.client import Client
from player.compare import Answered

SECONDS = 10.0
PAUSE = 0.05


def value_of(answered: Answered, path: str) -> str | None:
    """Return the text at a path: ``@id``, an element's path, or ``$.member`` of a JSON answer."""
    try:
        if path.startswith("$."):
            return str(json.loads(answered.body)[path[2:]])
        root = ET.fromstring(answered.body)  # noqa: S314  our own lab's
    except (ValueError, KeyError, ET.ParseError):
        return None
    way, _unused, attribute = path.rpartition("@") if "@" in _last(path) else (path, "", "")
    found = root.find(re.sub(r"/$", "", way)) if way else root
    if found is None:
        return None
    return found.get(attribute) if attribute else found.text or ""


def texts_of(answered: Answered, path: str) -> list[str]:
    """Return every text at a path."""
    try:
        root = ET.fromstring(answered.body)  # noqa: S314  our own lab's
    except ET.ParseError:
        return []
    return [found.text or "" for found in root.findall(path)]


def until(
    client: Client, path: str, element: str, wanted: tuple[str, ...] | None, user: str
) -> bool:
    """Poll until an element has one of the texts, or until 404; whether it came to that in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        answered = client.ask("GET", path, {}, None, user)
        if answered.status == 404 and wanted is None:
            return True
        if wanted is not None and set(texts_of(answered, element)) & set(wanted):
            return True
        time.sleep(PAUSE)
    return False


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]
