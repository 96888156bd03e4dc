# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that the engine's configuration of a VM omits or garbles: a backup reads them, a restore sets them.

They are stored in ``vm.ovf`` as one processing instruction after the configuration. Readers of XML
skip it, and the configuration itself is not changed by a byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    is_uuid,
)

TARGET = "ovirt_community.backup"
"""Name of the processing instruction."""

PROTOCOL = "cloud_init_network_protocol"
_PROTOCOLS = ("eni", "openstack_metadata")

FLAG = "regenerate_ssh_keys"
"""The only boolean; kept as the text ``true`` if it is set."""

TEXTS = (
    *("active_directory_ou", "authorized_ssh_keys", PROTOCOL),
    *("custom_script", "dns_search", "dns_servers", "domain", "host_name", "input_locale"),
    *("org_name", FLAG, "system_locale", "timezone", "ui_language", "user_locale", "user_name"),
)
"""What cloud-init and sysprep get as plain text, by the API's names."""

HIDDEN = ("root_password", "windows_license_key")
"""What the API shows as asterisks or not at all."""

NETWORKS = "nic_configurations"

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Extras:
    """Settings of a VM that the API shows beside its configuration.

    Attributes:
        initialization: Texts of cloud-init, by ``TEXTS``; unset ones are left out.
        unreadable: Names of cloud-init settings that the API does not show in full.
        cpu_shares: Weight of the VM's CPU; 0 is the default.
        answered: Whether a guest agent has reported to the engine, so that a restored VM can be
            expected to do so too.
        disk_profiles: Ids of the disk profiles, by disk id.
    """

    initialization: Mapping[str, str]
    unreadable: tuple[str, ...]
    cpu_shares: int
    answered: bool
    disk_profiles: Mapping[str, str] = field(default_factory=dict)


def appended(ovf: str, found: Extras) -> str:
    """Return the configuration with the instruction appended."""
    text = json.dumps(asdict(found), ensure_ascii=True, sort_keys=True)
    # So the text contains neither the end of the instruction nor anything like a document type.
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return f"{ovf}<?{TARGET} {text}?>"


def parse(text: str) -> Extras:
    """Parse the content of an instruction. Anyone may have written it.

    Raises:
        ValueError: It was not written by this file.
    """
    try:
        data = json.loads(text)
    except RecursionError as exc:
        raise ValueError("it is nested too deep") from exc
    if not isinstance(data, dict):
        raise ValueError("it is not an object")
    texts, hidden = data.get("initialization"), data.get("unreadable")
    shares, answered = data.get("cpu_shares"), data.get("answered")
    if not isinstance(texts, dict) or not all(isinstance(one, str) for one in texts.values()):
        raise ValueError("initialization is not an object of strings")
    if not isinstance(hidden, list) or not all(isinstance(one, str) for one in hidden):
        raise ValueError("unreadable is not a list of strings")
    if isinstance(shares, bool) or not isinstance(shares, int) or not 0 <= shares <= _LARGEST:
        raise ValueError("cpu_shares is not a number of shares")
    if texts.get(PROTOCOL, _PROTOCOLS[0]) not in _PROTOCOLS or texts.get(FLAG, "true") != "true":
        raise ValueError(f"{PROTOCOL} or {FLAG} has an unknown word")
    profiles = data.get("disk_profiles", {})
    if not isinstance(profiles, dict) or not all(is_uuid(str(one)) for one in profiles.values()):
        raise ValueError("disk_profiles is not an object of ids")
    known = {name: texts[name] for name in TEXTS if name in texts}
    return Extras(known, tuple(hidden), shares, answered is True, profiles)


def changed(was: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of cloud-init that must be written again."""
    return {name: text for name, text in was.items() if now.get(name) != text}
