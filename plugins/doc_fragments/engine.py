# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that the modules share which talk to the engine."""

    DOCUMENTATION = r"""
requirements:
  - ovirt-engine-sdk-python >= 4.6.0
notes:
  - Runs where the engine can be reached and the SDK is installed, usually the controller or an execution environment.
    In a play over other hosts, delegate it to C(localhost).
options:
  auth:
    description:
      - Login to the engine. You can pass the fact C(ovirt_auth) of
        M(ovirt.ovirt.ovirt_auth) unchanged.
      - Optional. Missing values come from the environment variables E(OVIRT_URL), E(OVIRT_HOSTNAME),
        E(OVIRT_USERNAME), E(OVIRT_PASSWORD), E(OVIRT_TOKEN), E(OVIRT_CAFILE) and E(OVIRT_INSECURE), then in the file that
        E(OVIRT_INI_PATH) names. So AWX's built-in credential type C(Red Hat Virtualization) is enough, including its CA file.
    type: dict
    suboptions:
      url:
        description:
          - Address of the API, for example V(https://engine.example.com/ovirt-engine/api).
          - The path may be left out.
        type: str
      hostname:
        description:
          - Name of the engine's host, instead of O(auth.url).
        type: str
      username:
        description:
          - User with profile, for example V(backup@internal).
        type: str
      password:
        description:
          - Password of the user.
        type: str
      token:
        description:
          - Token of a session, instead of user and password.
        type: str
      ca_file:
        description:
          - File with the CA that issued the engine's certificate. The system's store is used without it.
          - It is read where the module runs.
        type: path
      insecure:
        description:
          - Whether to skip the verification of the engine's certificate. An attacker on the network can then read the password and the data.
          - Also allows an address with C(http://), which is refused otherwise.
          - The module skips the verification only if this is V(true).
        type: bool
      kerberos:
        description:
          - Log in with Kerberos.
        type: bool
      compress:
        description:
          - Whether the engine compresses its answers. True by default.
        type: bool
      timeout:
        description:
          - Time limit of one request in seconds, 300 by default.
        type: int
      headers:
        description:
          - HTTP headers to send with every request. They are not logged, because a value may be a secret.
        type: dict
"""

    WAIT = r"""
notes:
  - O(timeout) counts from the module's first change. A request that the engine is answering is not cut off; O(auth.timeout) limits it.
options:
  wait:
    description:
      - Whether to wait until the operation is complete.
    type: bool
    default: true
  poll_interval:
    description:
      - Maximum time between two polls of the engine, in seconds. The first polls follow each other faster.
    type: int
    default: 3
"""
