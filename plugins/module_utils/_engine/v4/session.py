# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with an engine over API v4."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    EngineError,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import (
    login,
    pages,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.faults import (
    translated,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    ovirtsdk4,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.service import (
    V4Service,
)

if TYPE_CHECKING:
    from ansible_collections.ovirt_community.backup.plugins.module_utils._core.engine.settings import (
        EngineSettings,
    )

REQUEST_TIMEOUT = 300
"""Seconds after which one request is aborted, unless ``auth.timeout`` says otherwise. Attach
answers only when the host has plugged the disk, and plugs into one VM queue
(docs/engine.md#while-the-host-plugs)."""


class V4Session(V4Service):
    """The implementation of ``ports.SessionPort``."""

    def __init__(self, settings: EngineSettings) -> None:
        with translated("connect to the engine"):
            self._connection = ovirtsdk4.Connection(
                url=settings.url,
                username=settings.username,
                password=settings.password,
                token=settings.token,
                ca_file=settings.ca_file,
                insecure=settings.insecure,
                kerberos=settings.kerberos,
                compress=settings.compress,
                timeout=settings.timeout or REQUEST_TIMEOUT,
                headers=dict(settings.headers),
            )
        login.watch(
            self._connection, renews=settings.username is not None or bool(settings.kerberos)
        )
        pages.watch(self._connection)
        self._own_session = settings.token is None
        self._system = self._connection.system_service()

    def own_session(self) -> bool:
        """Tell whether the login began the session; a token's session was begun elsewhere."""
        return self._own_session

    def version(self) -> str:
        """Return the engine's full version."""
        with translated("read the engine's version"):
            info = self._system.get().product_info
        return str(info.version.full_version or f"{info.version.major}.{info.version.minor}")

    def close(self) -> None:
        """End the connection; log out only from a session that this connection began.

        A failure here must not hide what was done before; the engine ends the session by itself.
        """
        with suppress(EngineError), translated("log out"):
            self._connection.close(logout=self._own_session)
