# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML in and out through the SDK's own readers and writers, so that bodies have the real shape.

The SDK's writers know no ``<link>`` and no ``<actions>``; both are added to the finished element.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from ovirtsdk4 import Struct, reader, readers, types, writer, writers

from lab.engine.http import Answer, Response
from lab.engine.texts import Said, detail_of, status_of
from lab.model import API, new_id

T = TypeVar("T")
DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# The reader and writer tables of the SDK are filled when these are imported.
LOADED = (readers, writers)
BARE = re.compile(r"<([\w:]+) />")
# Elements that hold a date, by how their names end.
DATES = ("date", "time", "last_updated")


@dataclass(frozen=True)
class Entity:
    """One object of the SDK with the links and actions that the engine adds to it."""

    value: Any
    links: Sequence[str] = ()
    actions: Sequence[str] = ()
    tag: str | None = None
    rest: Sequence[ET.Element] = ()
    """Elements that complete the object: each is added unless the object has one of that name."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Texts that are otherwise, by their paths; ``path@name`` is an attribute."""


@dataclass(frozen=True)
class Listing:
    """A collection under its plural tag."""

    tag: str
    items: Sequence[Entity] = field(default_factory=tuple)


def ref(kind: type[T], path: str, object_id: str) -> T:
    """Return a reference to an object: ``path`` is its collection below the API root."""
    value: Any = kind(id=object_id)  # type: ignore[call-arg]
    value.href = f"{API}/{path}/{object_id}"
    return value  # type: ignore[no-any-return]


def element(entity: Entity) -> ET.Element:
    """Return the element of one object, links and actions included."""
    text = writer.Writer.write(entity.value, root=entity.tag)
    node = ET.fromstring(text)  # noqa: S314  our own
    for leaf in node.iter():
        if leaf.text and leaf.tag.endswith(DATES):
            leaf.text = _date(leaf.text)
    present = {child.tag for child in node}
    node.extend(one for one in entity.rest if one.tag not in present)
    for path, told in entity.texts.items():
        _put(node, path, told)
    href = entity.value.href
    for rel in entity.links:
        ET.SubElement(node, "link", {"href": f"{href}/{rel}", "rel": rel})
    if entity.actions:
        actions = ET.SubElement(node, "actions")
        for rel in entity.actions:
            ET.SubElement(actions, "link", {"href": f"{href}/{rel}", "rel": rel})
    return node


def _put(node: ET.Element, path: str, text: str) -> None:
    """Set the text of an element, or an attribute, and make what is missing on the way."""
    way, _at, attribute = path.partition("@")
    for tag in way.split("/"):
        found = node.find(tag)
        node = ET.SubElement(node, tag) if found is None else found
    if attribute:
        node.set(attribute, text)
    else:
        node.text = text


def _date(text: str) -> str:
    """Return a date as the engine writes it: three digits of the second, and Z for its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tree(body: Entity | Listing) -> ET.Element:
    """Return the element of an object or of a collection."""
    if isinstance(body, Entity):
        return element(body)
    root = ET.Element(body.tag)
    root.extend(element(item) for item in body.items)
    return root


def dump(node: ET.Element) -> bytes:
    """Return an element as a document.

    An empty text has two tags, as the engine writes it: the SDK reads one tag as None.
    """
    text = BARE.sub(r"<\1></\1>", ET.tostring(node, encoding="unicode"))
    return DECLARATION + text.encode()


def fault(status: int, reason: str, detail: str) -> Answer:
    """Return an answer with a fault."""
    node = element(Entity(types.Fault(reason=reason, detail=detail)))
    return Answer(Response(status, dump(node)))


def query_fault(status: int, detail: str) -> Answer:
    """Return the answer to a failed query: its detail has no brackets."""
    return fault(status, "Operation Failed", detail)


def stumbled() -> Answer:
    """Return the answer to a query over something that does not exist, if nothing checked that: 500 without a detail."""
    return Answer(Response(500, dump(element(Entity(types.Fault(reason="Operation Failed"))))))


def command_fault(said: Sequence[Said], action: str, kind: str) -> Answer:
    """Return the answer to a failed command, in its caller's wording."""
    detail = detail_of(said, {"action": action, "type": kind})
    return fault(status_of(said), "Operation Failed", detail)


def incomplete(detail: str) -> Answer:
    """Return the answer to a body without a mandatory field."""
    return fault(400, "Incomplete parameters", detail)


def not_implemented(call: str, what: str = "") -> Answer:
    """Return 501: the engine carries the call out and the lab does not, or not with these elements.

    Args:
        call: Method and path template, such as ``GET /vms/{}/nics``.
        what: What of the call the lab does not carry out; all of it if left out.
    """
    return fault(501, "Not implemented by the lab", f"{call} with {what}" if what else call)


def given(value: Any, prefix: str = "") -> Iterator[str]:  # noqa: ANN401  any struct
    """Yield what an object of the SDK has set, as dotted names: ``vm.name``."""
    for name, one in sorted(vars(value).items()):
        path = f"{prefix}{name.strip('_')}"
        for item in one if isinstance(one, list) else [one]:
            if isinstance(item, Struct):
                yield from given(item, f"{path}.")
            elif item is not None and not path.endswith("href"):
                yield path


def missing(parameter: str) -> Answer:
    """Return the answer to a body without an element that the API's model calls mandatory."""
    detail = f"Parameter '{parameter}' is mandatory but was not provided."
    return fault(400, "Input validation failed.", detail)


def read(body: bytes, kind: type[T]) -> T:
    """Return the object in a request's body; 400 if it is not of that kind."""
    try:
        value = reader.Reader.read(body)
    except Exception as problem:
        raise fault(400, "Invalid value", str(problem)) from problem
    if not isinstance(value, kind):
        raise fault(400, "Request syntactically incorrect.", f"expected {kind.__name__}")
    return value


def uuid_or_400(text: str) -> str:
    """Return a snapshot id of a body; 400 if it is not a UUID."""
    try:
        return str(UUID(text))
    except ValueError as problem:
        raise fault(400, "Operation failed", f"Invalid UUID string: {text}") from problem


def immutable(name: str) -> Answer:
    """Return the answer to a body that changes an immutable field."""
    reason = "Broken immutability constraint"
    return fault(409, reason, f"Attempt to set immutable field: {name}")


def _sent(body: bytes) -> list[ET.Element]:
    """Return the elements that an action was sent with: the answer repeats them."""
    try:
        return list(ET.fromstring(body))  # noqa: S314  a test's own
    except ET.ParseError:
        return []


def failed_action(answer: Answer, body: bytes) -> Answer:
    """Return a failed action: it contains its fault, beside what it was sent with."""
    found = answer.response
    if found.status < 400 or found.status == 501 or b"<fault>" not in found.body:
        return answer
    action = ET.Element("action")
    action.append(ET.fromstring(found.body))  # noqa: S314  our own
    action.extend(_sent(body))
    ET.SubElement(action, "status").text = "failed"
    return Answer(replace(found, body=dump(action)))


def complete_action(job_id: str | None = None, about: Entity | None = None) -> Response:
    """Return the answer to a DELETE or an action; monitored commands name their job, some also their subject."""
    action = types.Action(status="complete")
    if job_id:
        action.job = ref(types.Job, "jobs", job_id)
    rest = [] if about is None else [element(about)]
    return Response(200, dump(element(Entity(action, rest=rest))))


def pending_action(path: str, job_id: str, body: bytes = b"<action/>") -> Response:
    """Return the answer to an action that continues in tasks: 202, with addresses that no client needs.

    Args:
        path: The action's address from the root, such as ``/ovirt-engine/api/vms/ID/suspend``.
        body: What it was sent with.
    """
    parent, _unused, name = path.rpartition("/")
    tasks = f"{new_id()}%2C{new_id()}"
    node = ET.Element("action", {"href": f"{path}/{tasks}", "id": tasks})
    ET.SubElement(node, "link", {"href": parent, "rel": "parent"})
    ET.SubElement(node, "link", {"href": f"{parent}/{name}", "rel": "replay"})
    ET.SubElement(node, "async").text = "true"
    ET.SubElement(node, "job", {"href": f"{API}/jobs/{job_id}", "id": job_id})
    node.extend(_sent(body))
    ET.SubElement(node, "status").text = "pending"
    return Response(202, dump(node))
