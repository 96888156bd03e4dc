# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements that the engine shows with every VM, cluster, host and domain, and that nothing in the lab changes.

They complete an object: an element that the object has already is left alone
(``codec.Entity.rest``).
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from lab.model import API

ICONS = uuid.UUID("9f0c7a4e-33d1-4c5e-8a53-0a6b3f1f6f10")


def fragment(text: str) -> list[ET.Element]:
    """Return the elements of a piece of XML, fresh ones each time."""
    return list(ET.fromstring(f"<rest>{text}</rest>"))  # noqa: S314  constants of this file


def derived(what: str, of: str = "") -> str:
    """Return an id that is always the same for the same thing, such as the quota of a data centre."""
    return str(uuid.uuid5(ICONS, f"{what} {of}"))


def icons() -> list[ET.Element]:
    """Return the two icons of a VM."""
    return [
        ET.Element(tag, {"href": f"{API}/icons/{derived(tag)}", "id": derived(tag)})
        for tag in ("large_icon", "small_icon")
    ]


def display(address: str | None, certificate: bool) -> ET.Element:
    """Return how a VM's screen is reached.

    It has an address only while the VM runs, and a certificate only if it comes from the engine's
    rows.
    """
    node = ET.Element("display")
    node.extend(fragment(DISPLAY))
    if address is not None:
        node.extend(fragment(f"<address>{address}</address><port>5900</port>"))
    if certificate:
        node.extend(fragment(f"<certificate><content>lab</content>{SUBJECT}</certificate>"))
    return node


def without_type(display: ET.Element) -> None:
    """Remove the kind of the screen: a saved configuration does not tell it."""
    display[:] = [one for one in display if one.tag != "type"]


def bare(node: ET.Element) -> ET.Element:
    """Return an element as it is shown inside of a snapshot: no address of anything, no links, no actions."""
    for parent in node.iter():
        parent.attrib.pop("href", None)
        for child in [one for one in parent if one.tag in {"link", "actions"}]:
            parent.remove(child)
    return node


def without(nodes: Sequence[ET.Element], *tags: str) -> list[ET.Element]:
    """Return the elements but those of some tags."""
    return [node for node in nodes if node.tag not in tags]


SUBJECT = "<organization>lab</organization><subject>O=lab,CN=host.lab</subject>"
DISPLAY = """
<allow_override>false</allow_override>
<copy_paste_enabled>true</copy_paste_enabled>
<disconnect_action>LOCK_SCREEN</disconnect_action>
<disconnect_action_delay>0</disconnect_action_delay>
<file_transfer_enabled>true</file_transfer_enabled>
<monitors>1</monitors>
<smartcard_enabled>false</smartcard_enabled>
<type>vnc</type>
<video_type>vga</video_type>
"""
VM = """
<auto_pinning_policy>disabled</auto_pinning_policy>
<cpu_pinning_policy>none</cpu_pinning_policy>
<high_availability><enabled>false</enabled><priority>0</priority></high_availability>
<io><threads>1</threads></io>
<migration>
  <auto_converge>inherit</auto_converge>
  <compressed>inherit</compressed>
  <encrypted>inherit</encrypted>
  <parallel_migrations_policy>inherit</parallel_migrations_policy>
</migration>
<migration_downtime>-1</migration_downtime>
<multi_queues_enabled>true</multi_queues_enabled>
<placement_policy><affinity>migratable</affinity></placement_policy>
<sso><methods><method id="guest_agent"/></methods></sso>
<start_paused>false</start_paused>
<storage_error_resume_behaviour>auto_resume</storage_error_resume_behaviour>
<time_zone><name>Etc/GMT</name></time_zone>
<usb><enabled>false</enabled></usb>
<virtio_scsi_multi_queues_enabled>false</virtio_scsi_multi_queues_enabled>
"""
# Devices that are looked up only where everything is asked for.
# What a template has of its VM.
TEMPLATE = frozenset(
    {
        *("auto_pinning_policy", "bios", "console", "cpu", "cpu_pinning_policy", "cpu_shares"),
        *("delete_protected", "display", "high_availability", "io", "large_icon", "memory"),
        *("memory_policy", "migration", "migration_downtime", "multi_queues_enabled", "origin"),
        *("os", "placement_policy", "rng_device", "small_icon", "soundcard_enabled", "sso"),
        *("start_paused", "stateless", "storage_error_resume_behaviour", "time_zone"),
        *("tpm_enabled", "type", "usb", "virtio_scsi", "virtio_scsi_multi_queues_enabled"),
        *("cpu_profile", "quota"),
    }
)
VM_ALL = """
<console><enabled>false</enabled></console>
<rng_device><source>urandom</source></rng_device>
<soundcard_enabled>true</soundcard_enabled>
"""
CLUSTER = """
<description>The default server cluster</description>
<comment></comment>
<ballooning_enabled>true</ballooning_enabled>
<bios_type>q35_ovmf</bios_type>
<cpu><architecture>x86_64</architecture><type>Secure Intel SandyBridge Family</type></cpu>
<custom_scheduling_policy_properties>
  <property><name>HighUtilization</name><value>80</value></property>
  <property><name>CpuOverCommitDurationMinutes</name><value>2</value></property>
</custom_scheduling_policy_properties>
<error_handling><on_error>migrate</on_error></error_handling>
<fencing_policy>
  <enabled>true</enabled>
  <skip_if_connectivity_broken><enabled>false</enabled><threshold>50</threshold></skip_if_connectivity_broken>
  <skip_if_gluster_bricks_up>false</skip_if_gluster_bricks_up>
  <skip_if_gluster_quorum_not_met>false</skip_if_gluster_quorum_not_met>
  <skip_if_sd_active><enabled>false</enabled></skip_if_sd_active>
</fencing_policy>
<fips_mode>disabled</fips_mode>
<firewall_type>firewalld</firewall_type>
<gluster_service>false</gluster_service>
<ha_reservation>false</ha_reservation>
<ksm><enabled>true</enabled><merge_across_nodes>true</merge_across_nodes></ksm>
<log_max_memory_used_threshold>95</log_max_memory_used_threshold>
<log_max_memory_used_threshold_type>percentage</log_max_memory_used_threshold_type>
<memory_policy>
  <over_commit><percent>100</percent></over_commit>
  <transparent_hugepages><enabled>true</enabled></transparent_hugepages>
</memory_policy>
<migration>
  <auto_converge>inherit</auto_converge>
  <bandwidth><assignment_method>auto</assignment_method></bandwidth>
  <compressed>inherit</compressed>
  <encrypted>inherit</encrypted>
  <parallel_migrations_policy>disabled</parallel_migrations_policy>
  <policy id="80554327-0569-496b-bdeb-fcbbf52b827b"/>
</migration>
<required_rng_sources><required_rng_source>urandom</required_rng_source></required_rng_sources>
<switch_type>legacy</switch_type>
<threads_as_cores>false</threads_as_cores>
<trusted_service>false</trusted_service>
<tunnel_migration>false</tunnel_migration>
<upgrade_in_progress>false</upgrade_in_progress>
<upgrade_percent_complete>0</upgrade_percent_complete>
<virt_service>true</virt_service>
<vnc_encryption>false</vnc_encryption>
"""
CENTRE = """
<description>The default Data Center</description>
<quota_mode>disabled</quota_mode>
<storage_format>v5</storage_format>
<supported_versions><version><major>4</major><minor>8</minor></version></supported_versions>
"""
DOMAIN = """
<description></description>
<comment></comment>
<block_size>512</block_size>
<critical_space_action_blocker>5</critical_space_action_blocker>
<discard_after_delete>false</discard_after_delete>
<storage_format>v5</storage_format>
<supports_discard_zeroes_data>false</supports_discard_zeroes_data>
<warning_low_space_indicator>10</warning_low_space_indicator>
<wipe_after_delete>false</wipe_after_delete>
"""
HOST = f"""
<auto_numa_status>enable</auto_numa_status>
<certificate>{SUBJECT}</certificate>
<cpu>
  <name>Fake Xeon(R) CPU</name>
  <speed>2400</speed>
  <topology><cores>8</cores><sockets>1</sockets><threads>1</threads></topology>
</cpu>
<device_passthrough><enabled>false</enabled></device_passthrough>
<external_status>ok</external_status>
<kdump_status>disabled</kdump_status>
<ksm><enabled>false</enabled></ksm>
<memory>68719476736</memory>
<numa_supported>false</numa_supported>
<ovn_configured>false</ovn_configured>
<port>54321</port>
<protocol>stomp</protocol>
<reinstallation_required>false</reinstallation_required>
<se_linux><mode>enforcing</mode></se_linux>
<ssh><port>22</port></ssh>
<transparent_hugepages><enabled>true</enabled></transparent_hugepages>
<update_available>false</update_available>
<hardware_information><family>Fake</family><manufacturer>Fake</manufacturer></hardware_information>
<iscsi><initiator>iqn.1994-05.com.redhat:lab</initiator></iscsi>
<libvirt_version>
  <build>0</build><full_version>libvirt-10.5.0-7.el9</full_version>
  <major>10</major><minor>5</minor><revision>0</revision>
</libvirt_version>
<max_scheduling_memory>43692064768</max_scheduling_memory>
<os>
  <custom_kernel_cmdline></custom_kernel_cmdline>
  <description>Fake Linux 9</description>
  <reported_kernel_cmdline>quiet</reported_kernel_cmdline>
  <type>RHEL</type>
  <version><full_version>9 - 9.5.1.el9</full_version><major>9</major></version>
</os>
<power_management>
  <automatic_pm_enabled>true</automatic_pm_enabled>
  <enabled>false</enabled><kdump_detection>true</kdump_detection><pm_proxies/>
</power_management>
<version>
  <build>7</build><full_version>vdsm-4.50.7-1.el9</full_version>
  <major>4</major><minor>50</minor><revision>0</revision>
</version>
"""
