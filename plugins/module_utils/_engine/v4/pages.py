# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals that are pages: from the engine's web server, or from a proxy before it.

The SDK expects XML, and of a page it reports neither the status nor the text
(docs/engine.md#pages-instead-of-faults). So the page is read here, before the SDK gets it: a path
that an engine does not know is 404 in any format.
"""

from __future__ import annotations

import html
import re
from http import HTTPStatus

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.login import (
    LONGEST,
    page_text,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4.sdk import (
    SdkObject,
    ovirtsdk4,
)

_TRACE = re.compile(r"<pre>(.*?)(?:\n|</pre>)", re.DOTALL)
_WRAPPING = re.compile(
    r"(?:java\.lang\.RuntimeException|org\.jboss\.resteasy\.spi\.UnhandledException): "
)
_XML = ("<?xml", "<fault", "<action")
ENGINES_OWN = "java."
"""The beginning of a page about a failure of the engine's own code."""


def text_of(body: str | bytes) -> str:
    """Return what a page says; of one with a stack trace, only what went wrong."""
    page = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    trace = _TRACE.search(page)
    if trace is None:
        return page_text(page)
    return _WRAPPING.sub("", html.unescape(trace.group(1)))[:LONGEST]


def watch(connection: SdkObject) -> None:
    """Make a connection report the status and the text of a refusal that is a page."""
    wait = connection.wait

    def told(context: SdkObject, failed_auth: bool = False) -> SdkObject:
        response = wait(context, failed_auth)
        body = response.body or ""
        start = body[:200].decode("utf-8", "replace") if isinstance(body, bytes) else body[:200]
        if response.code < HTTPStatus.BAD_REQUEST or not start.strip():
            return response
        if start.lstrip("\ufeff \r\n\t").startswith(_XML):
            return response
        found = response.code == HTTPStatus.NOT_FOUND
        kind = ovirtsdk4.NotFoundError if found else ovirtsdk4.Error
        raise kind(text_of(body), code=response.code)

    connection.wait = told
