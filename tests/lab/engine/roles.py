# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's permits (action groups) and its predefined roles.

The numbers are those of the engine's ``ActionGroup`` and of its database scripts (``00500_insert_roles``,
``00700_insert_roles_groups`` and the upgrades after them).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from lab.model import Role


@dataclass(frozen=True)
class Permit:
    """One permit. ``admin``: only in roles of administrators; ``viewing``: its role shows what is below."""

    id: int
    name: str
    admin: bool
    viewing: bool


_USER = """
DELETE_VM=2 EDIT_VM_PROPERTIES=3 CHANGE_VM_CD=5 MIGRATE_VM=6 CONNECT_TO_VM=7
CONFIGURE_VM_NETWORK=9 CONFIGURE_VM_STORAGE=10 MOVE_VM=11 MANIPULATE_VM_SNAPSHOTS=12
RECONNECT_TO_VM=13 REBOOT_VM=17 STOP_VM=18 SHUT_DOWN_VM=19 HIBERNATE_VM=21 RUN_VM=22 RESET_VM=23
EDIT_TEMPLATE_PROPERTIES=201 DELETE_TEMPLATE=202 COPY_TEMPLATE=203 CONFIGURE_TEMPLATE_NETWORK=204
EDIT_VM_POOL_CONFIGURATION=301 DELETE_VM_POOL=302 VM_POOL_BASIC_OPERATIONS=303
MANIPULATE_PERMISSIONS=502 ADD_USERS_AND_GROUPS_FROM_DIRECTORY=503 EDIT_PROFILE=504
CONSUME_QUOTA=901 ATTACH_DISK=1101 EDIT_DISK_PROPERTIES=1102 CONFIGURE_DISK_STORAGE=1103
DELETE_DISK=1104 DISK_LIVE_STORAGE_MIGRATION=1107 SPARSIFY_DISK=1108 ATTACH_DISK_PROFILE=1563
CONNECT_TO_SERIAL_CONSOLE=1664
"""
# Permits of users whose roles do not show what is below an object.
_USER_BLIND = """
CREATE_VM=1 CREATE_INSTANCE=16 CREATE_TEMPLATE=200 CREATE_VM_POOL=300 CREATE_DISK=1100
ACCESS_IMAGE_STORAGE=1106 LOGIN=1300
"""
_ADMIN = """
IMPORT_EXPORT_VM=8 CHANGE_VM_CUSTOM_PROPERTIES=14 EDIT_ADMIN_VM_PROPERTIES=15 CREATE_HOST=100
EDIT_HOST_CONFIGURATION=101 DELETE_HOST=102 MANIPULATE_HOST=103 CONFIGURE_HOST_NETWORK=104
EDIT_ADMIN_TEMPLATE_PROPERTIES=205 CREATE_CLUSTER=400 EDIT_CLUSTER_CONFIGURATION=401
DELETE_CLUSTER=402 CONFIGURE_CLUSTER_NETWORK=403 ASSIGN_CLUSTER_NETWORK=404 MANIPULATE_USERS=500
MANIPULATE_ROLES=501 CREATE_STORAGE_DOMAIN=600 EDIT_STORAGE_DOMAIN_CONFIGURATION=601
DELETE_STORAGE_DOMAIN=602 MANIPULATE_STORAGE_DOMAIN=603 CREATE_STORAGE_POOL=700
DELETE_STORAGE_POOL=701 EDIT_STORAGE_POOL_CONFIGURATION=702 CONFIGURE_STORAGE_POOL_NETWORK=703
CREATE_STORAGE_POOL_NETWORK=704 DELETE_STORAGE_POOL_NETWORK=705 CONFIGURE_ENGINE=800
CONFIGURE_QUOTA=900 CREATE_GLUSTER_VOLUME=1000 MANIPULATE_GLUSTER_VOLUME=1001
DELETE_GLUSTER_VOLUME=1002 MANIPULATE_GLUSTER_HOOK=1003 MANIPULATE_GLUSTER_SERVICE=1004
CONFIGURE_SCSI_GENERIC_IO=1105 REDUCE_DISK=1109 BACKUP_DISK=1110
CONFIGURE_NETWORK_VNIC_PROFILE=1203 CREATE_NETWORK_VNIC_PROFILE=1204
DELETE_NETWORK_VNIC_PROFILE=1205 MANIPULATE_AFFINITY_GROUPS=1550
CONFIGURE_STORAGE_DISK_PROFILE=1560 CREATE_STORAGE_DISK_PROFILE=1561
DELETE_STORAGE_DISK_PROFILE=1562 CREATE_MAC_POOL=1660 EDIT_MAC_POOL=1661 DELETE_MAC_POOL=1662
CONFIGURE_MAC_POOL=1663 DELETE_CPU_PROFILE=1665 UPDATE_CPU_PROFILE=1666 CREATE_CPU_PROFILE=1667
ASSIGN_CPU_PROFILE=1668
"""
_ADMIN_BLIND = """
TAG_MANAGEMENT=1301 BOOKMARK_MANAGEMENT=1302 EVENT_NOTIFICATION_MANAGEMENT=1303
AUDIT_LOG_MANAGEMENT=1304 INJECT_EXTERNAL_EVENTS=1400 INJECT_EXTERNAL_TASKS=1500
"""


def _permits(text: str, admin: bool, viewing: bool) -> list[Permit]:
    pairs = (one.split("=") for one in text.split())
    return [Permit(int(number), name, admin, viewing) for name, number in pairs]


PERMITS = {
    permit.name: permit
    for permit in sorted(
        [
            *_permits(_USER, False, True),
            *_permits(_USER_BLIND, False, False),
            *_permits(_ADMIN, True, True),
            *_permits(_ADMIN_BLIND, True, False),
        ],
        key=lambda permit: permit.id,
    )
}
BY_NUMBER = {permit.id: permit for permit in PERMITS.values()}

# Name, id, administrator's role, shows what is below, permits, description.
_PREDEFINED: tuple[tuple[str, str, bool, bool, str, str], ...] = (
    (
        "SuperUser",
        "00000000-0000-0000-0000-000000000001",
        True,
        True,
        "1 2 3 5 6 7 8 9 10 11 12 13 14 15 17 18 19 21 22 23 100 101 102 103 104 200 201 202 "
        "203 204 205 300 301 302 303 400 401 402 403 404 500 501 502 503 600 601 602 603 700 "
        "701 702 703 704 705 800 900 901 1000 1001 1002 1003 1004 1100 1101 1102 1103 1104 "
        "1105 1106 1107 1108 1109 1110 1203 1204 1205 1300 1301 1302 1303 1304 1400 1500 1550 "
        "1560 1561 1562 1563 1660 1661 1662 1663 1664 1665 1666 1667 1668",
        "Roles management administrator",
    ),
    (
        "UserRole",
        "00000000-0000-0000-0001-000000000001",
        False,
        True,
        "5 7 17 18 19 21 22 23 303 1106 1300",
        "Standard User Role",
    ),
    (
        "PowerUserRole",
        "00000000-0000-0000-0001-000000000002",
        False,
        False,
        "1 200 1100 1106 1300 1563 1665 1666 1667 1668",
        "User Role, allowed to create VMs, Templates and Disks",
    ),
    (
        "ClusterAdmin",
        "def00001-0000-0000-0000-def000000001",
        True,
        True,
        "1 2 3 5 6 7 8 9 10 11 12 14 15 17 18 19 21 22 23 100 101 102 103 104 300 301 302 303 "
        "400 401 402 403 502 503 1100 1101 1102 1103 1104 1107 1108 1109 1110 1300 1301 1302 "
        "1303 1304 1550 1563 1663 1665 1666 1667 1668",
        "Administrator Role, permission for all the objects underneath a specific Cluster",
    ),
    (
        "DataCenterAdmin",
        "def00002-0000-0000-0000-def000000002",
        True,
        True,
        "1 2 3 5 6 7 8 9 10 11 12 14 15 17 18 19 21 22 23 100 101 102 103 104 200 201 202 203 "
        "204 205 300 301 302 303 400 401 402 403 404 502 503 700 701 702 703 704 705 900 901 "
        "1100 1101 1102 1103 1104 1105 1107 1108 1109 1110 1203 1204 1205 1300 1301 1302 1303 "
        "1304 1550 1563 1663 1665 1666 1667 1668",
        "Administrator Role, permission for all the objects underneath a specific Data Center, except Storage",
    ),
    (
        "StorageAdmin",
        "def00003-0000-0000-0000-def000000003",
        True,
        True,
        "600 601 602 603 1100 1101 1102 1103 1104 1106 1107 1108 1109 1110 1300 1301 1302 "
        "1303 1304 1560 1561 1562 1563",
        "Administrator Role, permission for all operations on a specific Storage Domain",
    ),
    (
        "HostAdmin",
        "def00004-0000-0000-0000-def000000004",
        True,
        True,
        "100 101 102 103 104 600 601 602 603 1300 1301 1302 1303 1304 1560 1561 1562 1563",
        "Administrator Role, permission for all operations on a specific Host",
    ),
    (
        "UserVmManager",
        "def00006-0000-0000-0000-def000000006",
        False,
        True,
        "1 2 3 5 7 9 10 12 17 18 19 21 22 23 502 503 1100 1101 1102 1104 1108 1109 1110 1300 "
        "1664 1668",
        "User Role, with permission for any operation on Vms",
    ),
    (
        "TemplateAdmin",
        "def00008-0000-0000-0000-def000000008",
        True,
        True,
        "200 201 202 203 204 205 502 503 1106 1300 1301 1302 1303 1304",
        "Administrator Role, permission for all operations on a specific Template",
    ),
    (
        "DiskOperator",
        "def0000a-0000-0000-0000-def00000000b",
        False,
        True,
        "502 503 1100 1101 1102 1104 1108 1109 1110 1300",
        "User Role, permissions for all operations on a specific disk",
    ),
    (
        "DiskCreator",
        "def0000a-0000-0000-0000-def00000000c",
        False,
        False,
        "1100 1300",
        "User Role, permission to create Disks",
    ),
    (
        "VmCreator",
        "def0000a-0000-0000-0000-def00000000d",
        False,
        False,
        "1 1100 1300 1668",
        "User Role, permission to create VMs",
    ),
    (
        "TemplateCreator",
        "def0000a-0000-0000-0000-def00000000e",
        False,
        False,
        "200 1300",
        "User Role, permission to create Templates",
    ),
    (
        "TemplateOwner",
        "def0000a-0000-0000-0000-def00000000f",
        False,
        True,
        "201 202 203 204 502 503 1300",
        "User Role, permissions for all operations on Templates",
    ),
    (
        "UserTemplateBasedVm",
        "def00009-0000-0000-0000-def000000009",
        False,
        False,
        "1 1668",
        "Template User",
    ),
    (
        "UserInstanceManager",
        "def00012-0000-0000-0000-def000000012",
        False,
        False,
        "2 3 5 7 10 12 17 18 19 21 22 23 502 503 1100 1101 1102 1104 1108 1109 1110 1300 1664",
        "User Role, with permission for any operation on Instances",
    ),
    (
        "ReadOnlyAdmin",
        "def0000c-0000-0000-0000-def00000000c",
        True,
        True,
        "1300",
        "Read Only Administrator Role",
    ),
    (
        "UserVmRunTimeManager",
        "def00006-0000-0000-0000-def000000011",
        False,
        False,
        "1 2 3 5 7 9 10 17 18 19 21 22 23 502 503 1100 1101 1102 1104 1108 1109 1110 1300 1668",
        "User Role, with permissions for any operations on VMs except snapshot manipulation",
    ),
    (
        "UserProfileEditor",
        "def00021-0000-0000-0000-def000000015",
        False,
        False,
        "504",
        "Role that allow users to edit the UserProfile",
    ),
    (
        "VmImporterExporter",
        "def00030-0000-0000-0000-def000000011",
        True,
        True,
        "8 1300 1563 1668",
        "Administrator Role, with permission to import or export Vms",
    ),
)


# Those that have nothing to do with a backup: name, administrator's role, permits, description.
_OTHERS: tuple[tuple[str, bool, str, str], ...] = (
    (
        "NetworkAdmin",
        True,
        "9 104 204 403 404 703 704 705 1203 1204 1205 1300 1301 1302 1303 1304",
        "Administrator Role, permission for all operations on a specific Logical Network",
    ),
    (
        "VmPoolAdmin",
        True,
        "1 300 301 302 303 1300 1301 1302 1303 1304 1668",
        "Administrator Role, permission for all operations on a specific VM Pool",
    ),
    ("QuotaConsumer", False, "901", "User Role, permissions to consume the Quota resources"),
    (
        "GlusterAdmin",
        True,
        "100 101 102 103 104 400 401 402 403 404 1000 1001 1002 1003 1004 1300 1301 1302 1303 1304",
        "Administrator Role, permissions for operations on Gluster objects",
    ),
    ("ExternalEventsCreator", False, "1400", "External Events Creator"),
    ("ExternalTasksCreator", False, "1500", "External Tasks Creator"),
    ("InstanceCreator", False, "16 1100 1300", "User Role, permission to create Instances"),
    ("TagManager", True, "1300 1301 1304", "Tag Manager"),
    ("BookmarkManager", True, "1300 1302 1304", "Bookmark Manager"),
    ("EventNotificationManager", True, "1300 1303 1304", "Event Notification Manager"),
    ("AuditLogManager", True, "1300 1304", "Audit Log Manager"),
    (
        "MacPoolAdmin",
        True,
        "1300 1660 1661 1662 1663",
        "MAC Pool Administrator Role, permission for manipulation with MAC pools",
    ),
    ("DiskProfileUser", False, "1563", "Disk Profile User"),
    ("CpuProfileOperator", False, "1668", "Cpu Profile Operation"),
    (
        "CpuProfileCreator",
        True,
        "1665 1666 1667 1668",
        "Cpu Profile Creation/Deletion/Updating and Operation",
    ),
    ("VnicProfileUser", False, "9 204 1300", "VM Network Interface Profile User"),
    ("MacPoolUser", False, "1300 1663", "MAC Pool User Role, permission allowing using MAC pools"),
)


def predefined() -> list[Role]:
    """Return new copies of the roles that an engine is installed with."""
    found = []
    for name, role_id, admin, viewing, numbers, description in _PREDEFINED:
        permits = {BY_NUMBER[int(number)].name for number in numbers.split()}
        found.append(Role(name, permits, admin, viewing, description, mutable=False, id=role_id))
    for name, admin, numbers, description in _OTHERS:
        permits = {BY_NUMBER[int(number)].name for number in numbers.split()}
        # Their ids are the engine's own, and nobody here asks for them.
        role_id = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        shows = shows_below(permits)
        found.append(Role(name, permits, admin, shows, description, mutable=False, id=role_id))
    return found


def shows_below(permits: set[str]) -> bool:
    """Tell whether a role with these permits shows what is below its object (``allows_viewing_children``)."""
    return any(PERMITS[name].viewing for name in permits)
