# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's own certificate authority and its certificate for this machine."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Identity:
    """A server's TLS context and the CA that clients are to trust."""

    context: ssl.SSLContext
    ca_file: Path
    ca_pem: bytes


def make_identity(root: Path) -> Identity:
    """Make a CA, written to ``root/ca.pem``, and a certificate for localhost and 127.0.0.1."""
    authority = trustme.CA(organization_name="lab", organization_unit_name="engine")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    pem = authority.cert_pem.bytes()
    ca_file = root / "ca.pem"
    ca_file.write_bytes(pem)
    return Identity(context, ca_file, pem)
