# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log as the API shows it, and which user sees which event (docs/engine.md#who-sees-events)."""

from __future__ import annotations

from collections.abc import Sequence

from ovirtsdk4 import types

from lab.engine import codec, present
from lab.engine import permissions as may
from lab.engine.commands.base import Wording, command
from lab.engine.core import Call
from lab.engine.events import External, record_external
from lab.engine.http import Response, not_found
from lab.engine.resources.common import admins_only, created, listing, ok, query_of
from lab.engine.router import Route, carried_out
from lab.engine.search import Fields, search
from lab.engine.texts import refuse
from lab.model import SYSTEM, Event

# Where a grant has to be for an event to be shown: the system, a disk and a storage domain do not count.
PLACES = ("vm", "cluster", "data_center")


def _vm_name(event: Event) -> str:
    return event.subjects.get("vm", ("", ""))[1]


FIELDS: Fields[Event] = {
    "type": lambda e: str(e.code),
    "correlation_id": lambda e: e.correlation_id,
    "_event_vm_id": lambda e: e.vm_id or "",
    "event_vm": _vm_name,
    "vm.name": _vm_name,
    "vms.name": _vm_name,
    "severity": lambda e: e.severity,
    "message": lambda e: e.description,
    "usrname": lambda e: e.user or "",
    "time": lambda e: f"{e.time.timestamp():020.6f}",
    "id": lambda e: f"{e.index:012d}",
}


def list_events(call: Call) -> Response:
    """GET /events: newest first; ``from`` leaves out what is not newer than that index."""
    with call.world.lock:
        rows: Sequence[Event] = call.world.events[::-1]
        if call.filtered:
            granted = _granted(call)
            rows = [row for row in rows if granted & _places(row)]
        after = call.request.query.get("from", "")
        if after.isdigit():
            rows = [row for row in rows if row.index > int(after)]
        found = search(rows, FIELDS, query_of(call))
        return listing("events", [present.event(row) for row in found])


def _places(event: Event) -> set[str]:
    return {event.subjects[kind][0] for kind in PLACES if kind in event.subjects}


def _granted(call: Call) -> set[str]:
    """Return the objects that a role of users was granted on: to the caller, and to whoever else is logged in.

    The engine's view joins the sessions of all users, and not the one that asks.
    """
    world = call.world
    names = {call.user.name, *call.engine.logged_in()}
    users = [world.users[name] for name in names if name in world.users]
    held = [one for user in users for one in may.held_by(world, user)]
    return {one.grant.object_id for one in held if not may.role_of(world, one.grant).admin}


MANDATORY = ("description", "severity", "origin", "custom_id")


def add_event(call: Call) -> Response:
    """POST /events: a client writes into the log."""
    body = codec.read(call.request.body, types.Event)
    carried_out(call, body, *MANDATORY, "vm.id")
    for name in MANDATORY:
        if getattr(body, name) is None:
            raise codec.missing(f"event.{name}")
    vm_id = body.vm.id if body.vm is not None else None
    written = External(body.description, body.severity.value, body.origin, body.custom_id, vm_id)
    with call.world.lock, command(call.engine, Wording("add", "External Event")):
        may.require(call, may.INJECT_EVENTS, {SYSTEM})
        known = {(row.origin, row.custom_id) for row in call.world.events}
        if (written.origin, written.custom_id) in known:
            raise refuse("EXTERNAL_EVENT_EXISTS")
        return created(call, present.event(record_external(call.world, written)))


def get_event(call: Call, index: str) -> Response:
    """GET /events/{id}: an administrator's query."""
    with call.world.lock:
        admins_only(call)
        for row in call.world.events:
            if str(row.index) == index:
                return ok(present.event(row))
        raise not_found()


ROUTES = (
    Route("GET", "events", list_events),
    Route("POST", "events", add_event),
    Route("GET", "events/{n}", get_event),
)
