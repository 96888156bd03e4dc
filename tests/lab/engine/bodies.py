# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a request before its handler runs: version, formats that are asked for and sent, the body.

A handler gets its body as XML of the type that its path expects.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from lab.engine import codec, grammar, json_form
from lab.engine.core import Call, Engine
from lab.engine.http import HTML, JSON, XML, Answer, Request, Response
from lab.engine.sso import error_page
from lab.model import API

LARGEST = 10 << 20
# An engine refuses unknown elements until it has met so many of them, then no more: JAXB counts its complaints.
COMPLAINTS = 10
# Collections whose names in paths lack the underscores of their tags.
TAGS: Mapping[str, str] = {"diskattachments": "disk_attachment", "storagedomains": "storage_domain"}
_DOCTYPE = re.compile(rb"<!DOCTYPE[^>\[]*(\[.*?\])?\s*>", re.DOTALL)
_ENTITY = re.compile(rb"&(?!(amp|lt|gt|quot|apos);)\w+;")
_VERSIONED = re.compile(re.escape(API) + r"/v(\d+)(?=/|$)")


def versioned(request: Request) -> Request:
    """Return the request without the version in its path; the path wins over the header.

    Raises:
        Answer: 405 for version 3, 400 for any other that this engine does not serve.
    """
    found = _VERSIONED.match(request.path)
    version = found.group(1) if found else request.headers.get("version", "4").strip()
    if version == "3":
        raise Answer(error_page(405, f"HTTP method {request.method} is not supported by this URL"))
    if version != "4":
        raise Answer(error_page(400, "Bad Request"))
    return replace(request, path=_VERSIONED.sub(API, request.path)) if found else request


def with_version(response: Response) -> Response:
    """Add the version to the addresses of an answer if the caller has named it in the path.

    The address of an attachment itself stays without it.
    """
    if "xml" not in response.content_type or not response.body:
        return response
    root = ET.fromstring(response.body)  # noqa: S314  our own
    for node in root.iter():
        if node.tag != "disk_attachment" and node.get("href", "").startswith(f"{API}/"):
            node.set("href", node.get("href", "").replace(API, f"{API}/v4", 1))
    return replace(response, body=codec.dump(root))


def wanted_form(request: Request) -> str:
    """Return the content type that the caller accepts, by its weights; XML if the caller does not say.

    Raises:
        Answer: 406 if the caller accepts neither XML nor JSON.
    """
    accept = request.headers.get("accept", "").strip()
    weights = {XML: 0.0, JSON: 0.0}
    for one in (accept or "*/*").split(","):
        name, _unused, parameters = one.strip().partition(";")
        found = re.search(r"q=([\d.]+)", parameters)
        weight = float(found.group(1)) if found else 1.0
        for form, names in ((XML, ("application/xml",)), (JSON, ("application/json",))):
            if name.strip().lower() in {*names, "application/*", "*/*"}:
                weights[form] = max(weights[form], weight)
    if not any(weights.values()):
        raise Answer(Response(406))
    return max(weights, key=lambda form: weights[form])


def in_form(response: Response, form: str) -> Response:
    """Return an answer in the wanted form: XML may be converted to JSON."""
    if form != JSON or not response.body or "xml" not in response.content_type:
        return response
    root = ET.fromstring(response.body)  # noqa: S314  our own
    return replace(response, body=json_form.to_json(root, codec.DATES), content_type=JSON)


def checked(call: Call) -> Call:
    """Return the call with its body as XML.

    Raises:
        Answer: 415, 400 for a body that the engine cannot read, 500 for one of another type.
    """
    request = call.request
    if request.method not in {"POST", "PUT"}:
        return call
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in {"application/xml", "application/json"}:
        raise Answer(Response(415))
    meant = _meant(request)
    try:
        if len(request.body) > LARGEST:
            raise ValueError("too large")
        root, text = _read(request.body, meant.tag, sent == "application/json")
    except (ValueError, ET.ParseError):
        raise _incorrect(request, meant) from None
    _same_type(request, root, meant)
    for wrong in grammar.wrongs(root, grammar.type_of(root.tag) or ""):
        _refuse(call.engine, request, meant, wrong, sent == "application/json")
    if grammar.in_small_letters(root, grammar.type_of(root.tag) or ""):
        text = ET.tostring(root)
    return replace(call, request=replace(request, body=text))


@dataclass(frozen=True)
class Meant:
    """What a path wants: the tag of the body, and the service and method that the documentation has for it."""

    tag: str
    service: str
    method: str


def _meant(request: Request) -> Meant:
    parts = request.path.removeprefix(API).strip("/").split("/")
    named = [part for part in parts if not _is_id(part)]
    last = named[-1] if named else ""
    tag = _tag(last)
    if tag is None:
        single = _tag(named[-2]) if len(named) > 1 else None
        return Meant("action", single or "", last)
    return Meant(tag, f"{tag}s", "add") if request.method == "POST" else Meant(tag, tag, "update")


def _tag(collection: str) -> str | None:
    """Return the tag of the members of a collection; None if the name is not a collection's, such as an action's."""
    tag = TAGS.get(collection, collection.removesuffix("s"))
    return tag if tag != collection and grammar.type_of(tag) is not None else None


def _is_id(part: str) -> bool:
    try:
        UUID(part)
    except ValueError:
        return False
    return True


def _read(body: bytes, tag: str, is_json: bool) -> tuple[ET.Element, bytes]:
    """Return the tree of a body, and its text as XML. Entities that a document type declares are empty."""
    if is_json:
        root = json_form.from_json(body, tag)
        return root, ET.tostring(root, short_empty_elements=False)
    text = _ENTITY.sub(b"", _DOCTYPE.sub(b"", body)) if b"<!DOCTYPE" in body else body
    return ET.fromstring(text), text  # noqa: S314  the lab's own clients


def _incorrect(request: Request, meant: Meant) -> Answer:
    host = request.headers.get("host", "localhost")
    usage = f"https://{host}/ovirt-engine/apidoc#services/{meant.service}/methods/{meant.method}"
    reason = "Request syntactically incorrect."
    return codec.fault(400, reason, f"For correct usage, see: {usage}")


def _same_type(request: Request, root: ET.Element, meant: Meant) -> None:
    """Refuse a known type that is not the wanted one: the engine's own code fails over it."""
    if grammar.type_of(root.tag) is None:
        raise _incorrect(request, meant)
    if root.tag != meant.tag:
        text = f"java.lang.ClassCastException@{id(root) & 0xFFFFFFF:x}"
        raise Answer(Response(500, text.encode(), HTML))


def _refuse(
    engine: Engine, request: Request, meant: Meant, wrong: grammar.Wrong, is_json: bool
) -> None:
    """Refuse what is wrong in a body, unless the engine no longer minds it.

    Raises:
        Answer: 400, with the engine's words for the fault.
    """
    if wrong.kind == "enum":
        words = ", ".join(f"'{one}'" for one in grammar.words(wrong.type))
        detail = (
            f"The string '{wrong.text}' isn't a valid value for the '{wrong.type}' enumerated type. "
            f"Valid values are: {words}."
        )
        raise codec.fault(400, "Invalid value", detail)
    if wrong.kind == "boolean":
        detail = f'Value "{wrong.text}" isn\'t a valid boolean, it should be "true" , "false", "0" or "1"'
        raise codec.fault(400, "Invalid value", detail)
    if wrong.kind != "unknown":
        raise _incorrect(request, meant)
    if is_json:
        field = f"Unrecognized field &quot;{wrong.name}&quot;"
        text = f"{field} (class org.ovirt.engine.api.model.{wrong.type}), not marked as ignorable"
        raise Answer(Response(400, text.encode(), HTML))
    engine.complaints += 1
    if engine.complaints <= COMPLAINTS:
        raise _incorrect(request, meant)
