# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's configuration of a VM lacks or garbles: read at the backup, kept in ``vm.ovf``, put back later.

It follows the configuration as one processing instruction, which readers of XML pass over; so it travels, is proven
and is stored with the configuration, of which not a byte is changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.model import (
    is_uuid,
)

TARGET = "ovirt_community.backup"
"""Name of the instruction."""

PROTOCOL = "cloud_init_network_protocol"
_PROTOCOLS = ("eni", "openstack_metadata")

FLAG = "regenerate_ssh_keys"
"""The one that is true or false, kept as ``true`` where it is."""

TEXTS = (
    *("active_directory_ou", "authorized_ssh_keys", PROTOCOL),
    *("custom_script", "dns_search", "dns_servers", "domain", "host_name", "input_locale"),
    *("org_name", FLAG, "system_locale", "timezone", "ui_language", "user_locale", "user_name"),
)
"""What cloud-init and sysprep get as plain text, by the names of the API."""

HIDDEN = ("root_password", "windows_license_key")
"""What the API shows as asterisks, if at all."""

NETWORKS = "nic_configurations"

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Extras:
    """What the API says of a VM beside its configuration.

    Attributes:
        initialization: Texts of cloud-init, by ``TEXTS``; those that are not set are left out.
        unreadable: Names of what cloud-init has and the API does not give in full.
        cpu_shares: Weight of the VM's CPU; 0 is the default.
        answered: Whether a guest agent has told the engine of the guest, so that it can be expected
            to.
        disk_profiles: Ids of the profiles of its disks, by ids of the disks.
    """

    initialization: Mapping[str, str]
    unreadable: tuple[str, ...]
    cpu_shares: int
    answered: bool
    disk_profiles: Mapping[str, str] = field(default_factory=dict)


def appended(ovf: str, found: Extras) -> str:
    """The configuration with the instruction after it."""
    text = json.dumps(asdict(found), ensure_ascii=True, sort_keys=True)
    # Neither the instruction's end nor anything like a document type is in it.
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return f"{ovf}<?{TARGET} {text}?>"


def parse(text: str) -> Extras:
    """The content of an instruction that anybody may have written.

    Raises:
        ValueError: It is not one that is written here.
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
    """The texts of cloud-init that have to be written again."""
    return {name: text for name, text in was.items() if now.get(name) != text}
