# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare an answer with the recorded one. What may differ is named by the resource and the element's path."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from player.names import Names
from player.scenes import Question
from player.trees import Node, parse

# Texts that no scene determines; the elements have to be there all the same.
UNDETERMINED = frozenset(
    {
        *("actual_size", "total_size", "initial_size", "used", "available", "committed"),
        *("address", "port", "path", "host_name", "fqdn", "build", "revision", "full_version"),
        # Of an OVF: where on its buses the host put a device, for how long the VM was paused, the pool's addresses.
        *("Address", "Downtime", "MACAddress"),
        # Another OVF in base64, with ids that no placeholder stands for.
        "VmConfiguration",
        *("flood_rate", "version_name", "certificate", "content", "organization", "subject"),
    }
)
# Elements that stand for something of their own: paths begin at the innermost of them.
RESOURCES = frozenset(
    {
        *("api", "cluster", "data_center", "disk", "disk_attachment", "disk_snapshot", "event"),
        *("fault", "host", "job", "nic", "permission", "permit", "role", "snapshot", "tag"),
        *("storage_domain", "user", "vm", "checkpoint", "backup", "vnic_profile", "template"),
        *("action", "Envelope"),
    }
)
# Numbers of events that a recording left in.
NUMBERED = frozenset({"event/@id", "event/index"})
# Lists whose order the engine determines.
ORDERED = frozenset({"vms", "snapshots", "events"})
HEADERS = ("content-type", "www-authenticate", "correlation-id", "location", "allow")
NOT_IN_THE_LAB = 501
PAGE = ("<!DOCTYPE html", "<style>")
# Where a stack trace begins on a page, and how a compressed body does.
TRACE = "<pre>"
COMPRESSED = "\x1f"


@dataclass(frozen=True)
class Answered:
    """What the lab answered; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Difference:
    """Something that is not as recorded: where, what was recorded, what came."""

    path: str
    recorded: str
    came: str

    def __str__(self) -> str:
        """For a person."""
        return f"{self.path}: recorded {self.recorded!r}, came {self.came!r}"


def compare(question: Question, answered: Answered, names: Names) -> list[Difference]:
    """Return every difference of one answer; none if it is equal."""
    if answered.status == NOT_IN_THE_LAB:
        return [Difference("not in the lab", str(question.status), answered.body[:300])]
    if question.status != answered.status:
        return [
            Difference("status", str(question.status), f"{answered.status} {answered.body[:300]}")
        ]
    found = list(_headers(question, answered, names))
    recorded = parse(question.answer, question.answer_headers.get("content-type", ""))
    if recorded is None:
        return [*found, *_page(question.answer, answered.body, names)]
    came = parse(answered.body, answered.headers.get("content-type", ""))
    if came is None:
        return [*found, Difference("body", question.answer[:200], answered.body[:200])]
    return [*found, *Comparison(names, question.any_order).elements(recorded, came, "")]


def _headers(question: Question, answered: Answered, names: Names) -> Iterator[Difference]:
    for name in HEADERS:
        recorded = question.answer_headers.get(name)
        came = answered.headers.get(name)
        if recorded is None and came is None:
            continue
        if recorded is None or came is None or not names.pattern(recorded).fullmatch(came):
            yield Difference(f"header/{name}", recorded or "", came or "")


def _page(recorded: str, came: str, names: Names) -> Iterator[Difference]:
    """A text that is no data: word for word.

    Of a page with a stack trace the first line of that counts, of other designed pages nothing. What is compressed
    was recorded without its bytes, so that it is compressed is all there is to compare.
    """
    if recorded.startswith(COMPRESSED) and came.startswith(COMPRESSED):
        return
    if TRACE in recorded:
        recorded, came = (one.partition(TRACE)[2].partition("\n")[0] for one in (recorded, came))
        came = html.unescape(came.removesuffix("</pre></body></html>"))
    if any(mark in recorded for mark in PAGE) or recorded.startswith("-----BEGIN"):
        return
    if not names.pattern(recorded.strip()).fullmatch(came.strip()):
        yield Difference("body", recorded[:300], came[:300])


@dataclass(frozen=True)
class Comparison:
    """One comparison of two trees."""

    names: Names
    any_order: str | None = None

    def elements(self, recorded: Node, came: Node, above: str) -> Iterator[Difference]:
        """Differences of an element and all below it."""
        path = _below(above, recorded.tag, recorded)
        if recorded.tag != came.tag:
            yield Difference(path, recorded.tag, came.tag)
            return
        yield from self._attributes(recorded, came, path)
        determined = recorded.tag not in UNDETERMINED or self.names.known(recorded.text)
        if determined and not self._same(recorded.text, came.text, path):
            yield Difference(path, recorded.text, came.text)
        yield from self._children(recorded, came, path)
        if recorded.tag in ORDERED:
            yield from self._order(recorded, came, path)

    def _attributes(self, recorded: Node, came: Node, path: str) -> Iterator[Difference]:
        for name in sorted({*recorded.attributes, *came.attributes}):
            here, there = recorded.attributes.get(name), came.attributes.get(name)
            where = f"{path}/@{name}"
            if here is None or there is None or not self._same(here, there, where):
                yield Difference(where, str(here), str(there))

    def _same(self, recorded: str, came: str, path: str = "") -> bool:
        if path in NUMBERED:
            return came.isdecimal()
        if self.any_order:
            parts = came.split(self.any_order)
            texts = recorded.split(self.any_order)
            return len(parts) == len(texts) and all(
                any(self.names.pattern(text).fullmatch(part) for part in parts) for text in texts
            )
        return self.names.pattern(recorded).fullmatch(came) is not None

    def _children(self, recorded: Node, came: Node, path: str) -> Iterator[Difference]:
        left = list(came.children)
        # What names most has its twin first: an element of unknown ids would fit to any.
        for child in sorted(recorded.children, key=self._named, reverse=True):
            twin = self._twin(child, left, path)
            if twin is None:
                yield Difference(_below(path, child.tag, child), _shown(child), "")
                continue
            left.remove(twin)
            yield from self.elements(child, twin, path)
        for child in left:
            yield Difference(_below(path, child.tag, child), "", _shown(child))

    def _named(self, node: Node) -> int:
        """Return how many things of this world an element names."""
        texts = [text for one in node.walk() for text in (one.text, *one.attributes.values())]
        return sum(self.names.known(text) for text in texts)

    def _twin(self, child: Node, candidates: Sequence[Node], path: str) -> Node | None:
        """Return the element that stands for the recorded one: the same id or rel, else the one most like it."""
        same = [one for one in candidates if one.tag == child.tag and _kind(one) == _kind(child)]
        for key in ("rel", "id"):
            wanted = child.attributes.get(key)
            if wanted is not None and (key == "rel" or self.names.known(wanted)):
                same = [one for one in same if self._same(wanted, one.attributes.get(key, ""))]
                return same[0] if same else None
        if len(same) < 2:
            return same[0] if same else None
        return min(same, key=lambda one: len(list(self.elements(child, one, path))))

    def _order(self, recorded: Node, came: Node, path: str) -> Iterator[Difference]:
        """Tell whether the things that have names stand in the order in which the engine told them."""
        known = [c.attributes.get("id", "") for c in recorded.children]
        wanted = [self.names.fill(text) for text in known if self.names.known(text)]
        ids = [child.attributes.get("id", "") for child in came.children]
        placed = [one for one in ids if one in wanted]
        if placed != [one for one in wanted if one in ids]:
            yield Difference(f"{path}/order", " ".join(wanted), " ".join(placed))


def _below(above: str, tag: str, node: Node | None = None) -> str:
    """Return the path of an element: from the innermost resource on, links by what they lead to."""
    if tag in RESOURCES:
        return tag
    if node is not None and "rel" in node.attributes:
        tag = f"{tag}[{node.attributes['rel']}]"
    if node is not None and _kind(node):
        tag = f"{tag}[{_kind(node)}]"
    return f"{above}/{tag}" if above else tag


def _kind(node: Node) -> str:
    """Return what kind of section or item of an OVF it is; empty for every other element."""
    if node.tag == "Section":
        return node.attributes.get("type", "").removeprefix("ovf:").removesuffix("_Type")
    if node.tag != "Item":
        return ""
    told = {one.tag: one.text for one in node.children}
    return " ".join(told[one] for one in ("Type", "Device") if one in told) or told["Caption"]


def _shown(node: Node) -> str:
    parts = [f"{key}={value}" for key, value in node.attributes.items()]
    text = node.text[:60] or f"{len(node.children)} elements"
    return f"<{node.tag} {' '.join(parts)}>{text}"[:160]
