# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a VM that the lab only stores: one table for the OVF, the API, and what an import keeps.

A VM's row holds only values that differ from the defaults here, by the name of their element in the
OVF.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MIB = 1 << 20
PREDEFINED, OWN = "PredefinedProperties", "UserDefinedProperties"
# Custom properties that an engine knows after its installation, with what fits them.
KNOWN_PROPERTIES: Mapping[str, frozenset[str]] = {"sap_agent": frozenset({"true", "false"})}


@dataclass(frozen=True)
class Setting:
    """A setting: its element in the OVF, its default, and its path below ``vm`` in the API.

    ``words`` translates the OVF's text into the API's; ``unit`` is the factor between their numbers. One
    without a default is absent where it is not set, in either.
    """

    ovf: str
    default: str | None
    api: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    unit: int = 1

    def shown(self, text: str) -> str:
        """Return the API's text."""
        return str(int(text) * self.unit) if self.unit > 1 else self.words.get(text, text)

    def read(self, text: str) -> str:
        """Return the OVF's text of the API's."""
        if self.unit > 1:
            return str(int(text) // self.unit)
        return next((key for key, word in self.words.items() if word == text), text)


TABLE: tuple[Setting, ...] = (
    Setting("SsoMethod", "guest_agent", "sso/methods/method@id"),
    Setting("IsSmartcardEnabled", "false", "display/smartcard_enabled"),
    Setting("NumOfIoThreads", "1", "io/threads"),
    Setting("TimeZone", "Etc/GMT", "time_zone/name"),
    Setting("VmType", "1", "type", {"0": "desktop", "1": "server", "2": "high_performance"}),
    Setting(
        "ResumeBehavior",
        "AUTO_RESUME",
        "storage_error_resume_behaviour",
        {"AUTO_RESUME": "auto_resume", "LEAVE_PAUSED": "leave_paused", "KILL": "kill"},
    ),
    Setting("MinAllocatedMem", None, "memory_policy/guaranteed", unit=MIB),
    Setting("MaxMemorySizeMb", None, "memory_policy/max", unit=MIB),
    Setting("BalloonEnabled", "true", "memory_policy/ballooning"),
    Setting("IsRunAndPause", "false", "start_paused"),
    Setting("AutoStartup", "false", "high_availability/enabled"),
    Setting("Priority", "0", "high_availability/priority"),
    Setting("LeaseDomainId", None, "lease/storage_domain@id"),
    Setting(
        "MigrationSupport",
        "0",
        "placement_policy/affinity",
        {"0": "migratable", "1": "user_migratable", "2": "pinned"},
    ),
    Setting("IsBootMenuEnabled", "false", "bios/boot_menu/enabled"),
    Setting("IsSpiceFileTransferEnabled", "true", "display/file_transfer_enabled"),
    Setting("IsSpiceCopyPasteEnabled", "true", "display/copy_paste_enabled"),
    Setting("AllowConsoleReconnect", "false", "display/allow_override"),
    Setting("ConsoleDisconnectAction", "LOCK_SCREEN", "display/disconnect_action"),
    Setting("ConsoleDisconnectActionDelay", "0", "display/disconnect_action_delay"),
    Setting("CustomEmulatedMachine", "", "custom_emulated_machine"),
    Setting("CustomCpuName", "", "custom_cpu_model"),
    Setting(PREDEFINED, ""),
    Setting(OWN, ""),
    Setting("MultiQueuesEnabled", "true", "multi_queues_enabled"),
    Setting("VirtioScsiMultiQueuesEnabled", "false", "virtio_scsi_multi_queues_enabled"),
    Setting("UseHostCpu", "false"),
    Setting("CpuPinningPolicy", "0", "cpu_pinning_policy", {"0": "none", "1": "manual"}),
    Setting("TrustedService", "false"),
    Setting("UseLatestVersion", "false"),
)


# How the SDK calls them, for what a request may name.
NAMES = tuple(
    one.api.replace("/method@", ".").replace("@", ".").replace("/", ".") for one in TABLE if one.api
)


def content(settings: Mapping[str, str], memory: int) -> dict[str, str]:
    """Return what the OVF says of them, defaults included; ``memory`` in bytes decides two of these."""
    defaults = {one.ovf: one.default for one in TABLE if one.default is not None}
    sizes = {"MinAllocatedMem": str(memory // MIB), "MaxMemorySizeMb": str(4 * memory // MIB)}
    return {**defaults, **sizes, **settings}


def of_content(element: ET.Element) -> dict[str, str]:
    """Return what an OVF's ``Content`` says otherwise than the defaults."""
    told = {one.ovf: element.findtext(one.ovf, one.default) for one in TABLE}
    return {
        one.ovf: text
        for one in TABLE
        if (text := told[one.ovf]) is not None and text != one.default
    }


def shown(settings: Mapping[str, str]) -> dict[str, str]:
    """Return what the API shows otherwise than the defaults, by paths below ``vm``."""
    given = [one for one in TABLE if one.api and settings.get(one.ovf)]
    return {one.api: one.shown(settings[one.ovf]) for one in given}


def of_body(body: ET.Element) -> dict[str, str]:
    """Return the settings that a request's ``vm`` names."""
    found: dict[str, str] = {}
    for one in TABLE:
        path, _at, attribute = one.api.partition("@")
        node = body.find(path) if path else None
        if node is not None:
            text = node.get(attribute) if attribute else node.text
            found[one.ovf] = one.read((text or "").strip())
    properties = body.find("custom_properties")
    if properties is not None:
        pairs = [(one.findtext("name", ""), one.findtext("value", "")) for one in properties]
        known = [pair for pair in pairs if pair[0] in KNOWN_PROPERTIES]
        found[PREDEFINED] = _joined(known)
        found[OWN] = _joined([pair for pair in pairs if pair not in known])
    return found


def _joined(pairs: list[tuple[str, str]]) -> str:
    return ";".join("=".join(pair) for pair in pairs)


def properties(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the custom properties, each with its value."""
    for name in (PREDEFINED, OWN):
        for pair in filter(None, settings.get(name, "").split(";")):
            key, _equals, value = pair.partition("=")
            yield key, value


def unfit_properties(settings: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Names of properties that the engine does not know, and of those with a value that does not fit."""
    found = list(properties(settings))
    unknown = [name for name, _value in found if name not in KNOWN_PROPERTIES]
    illegal = [n for n, value in found if n not in unknown and value not in KNOWN_PROPERTIES[n]]
    return unknown, illegal
