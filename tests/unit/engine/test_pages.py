# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals that are pages: what each says, and which answers are not pages."""

from __future__ import annotations

from types import SimpleNamespace

import ovirtsdk4
import pytest
from ovirtsdk4 import http

from ansible_collections.ovirt_community.backup.plugins.module_utils._engine.v4 import pages

UNHANDLED = "java.lang.RuntimeException: org.jboss.resteasy.spi.UnhandledException: "
UUID = "java.lang.IllegalArgumentException: Invalid UUID string: x"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (f"<style>p</style><div>Path:</div><pre>{UNHANDLED}{UUID}\n\tat a.b(C:1)\n</pre>", UUID),
        (f"<pre>{UUID} &quot;&lt;y&gt;&quot;</pre>", f'{UUID} "<y>"'),
        ("java.lang.ClassCastException@552fc62c", "java.lang.ClassCastException@552fc62c"),
        ("<html><body>Bad <b>Request</b></body></html>", "Bad Request"),
        (b"RESTEASY003210: Could not find resource", "RESTEASY003210: Could not find resource"),
    ],
)
def test_what_a_page_says(page: str | bytes, text: str) -> None:
    assert pages.text_of(page) == text


def answered(code: int, body: str | bytes | None) -> http.Response:
    """Return an answer through a connection that is watched."""
    connection = SimpleNamespace(
        wait=lambda _context, _failed_auth=False: http.Response(body=body, code=code)
    )
    pages.watch(connection)
    response: http.Response = connection.wait(None)
    return response


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (200, "<html></html>"),
        (404, ""),
        (404, None),
        (400, "<?xml version='1.0'?><fault/>"),
        (400, b"\n<fault><detail>x</detail></fault>"),
        (409, "<action><fault/></action>"),
    ],
)
def test_what_the_sdk_reads_itself_passes(code: int, body: str | bytes | None) -> None:
    assert answered(code, body).body == body


@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, ovirtsdk4.NotFoundError), (400, ovirtsdk4.Error), (503, ovirtsdk4.Error)],
)
def test_a_page_keeps_its_status_and_its_words(code: int, kind: type[ovirtsdk4.Error]) -> None:
    with pytest.raises(kind, match="these words") as caught:
        answered(code, "<html><body>these words</body></html>")
    assert caught.value.code == code
    assert caught.value.fault is None
