# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a request into a response, without sockets: injected faults, sign-on, API, log."""

from __future__ import annotations

import time
import traceback
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from lab.engine import bodies, codec
from lab.engine.codec import query_fault
from lab.engine.core import Call, Engine
from lab.engine.events import actor
from lab.engine.faults import Fault
from lab.engine.follow import follow
from lab.engine.http import HTML, Answer, Dropped, Request, Response, Unauthorized, parse_query
from lab.engine.log import Entry, RequestLog
from lab.engine.resources import (
    access,
    attachments,
    disks,
    events,
    guarded,
    imports,
    nics,
    snapshots,
    system,
    vms,
)
from lab.engine.resources.common import NOT_PERMITTED
from lab.engine.router import Handler, Router
from lab.engine.sso import EXPIRED, NOSNIFF, Sso, error_page
from lab.model import API, new_id, now

PKI_PATH = "/ovirt-engine/services/pki-resource"
ROOT_PATH = "/ovirt-engine"
NOT_FOUND = b"<!DOCTYPE html>\n<html><head><title>404 - Page not found</title></head></html>"
HEALTH_PATH = "/ovirt-engine/services/health"
_NO = frozenset({"false", "f", "no", "n", "0"})


def api_router() -> Router:
    """Return the routes of the whole API."""
    modules = (
        *(system, events, access, vms, imports, nics),
        *(attachments, snapshots, disks, guarded),
    )
    return Router([route for module in modules for route in module.ROUTES])


@dataclass
class Application:
    """One engine as a function from requests to responses."""

    engine: Engine
    ca_pem: bytes
    router: Router = field(default_factory=api_router)
    log: RequestLog = field(default_factory=RequestLog)
    sso: Sso = field(init=False)

    def __post_init__(self) -> None:
        """Take the tokens of the world's users."""
        self.sso = Sso(self.engine.world)
        self.engine.logged_in = self.sso.logged_in

    def handle(self, request: Request) -> Response:
        """Answer a request and log it.

        Raises:
            Dropped: When a fault says that the connection is to be closed instead.
        """
        number, began = self.log.number(), time.monotonic()
        status, user = 0, ""
        faults = self.engine.faults.at_door(request.method, request.path)
        try:
            response, user = self._answer(request, faults)
            status = response.status
            return response
        finally:
            api = request.path.startswith(API)
            self.log.add(
                Entry(
                    number,
                    now().isoformat(),
                    request.method,
                    request.path,
                    request.raw_query,
                    user or None,
                    request.correlation_id(),
                    status,
                    api and request.is_write(),
                    round(time.monotonic() - began, 6),
                )
            )

    def _answer(self, request: Request, faults: Iterable[Fault]) -> tuple[Response, str]:
        kinds = {fault.kind: fault for fault in faults}
        user = ""
        try:
            self._before(kinds)
            for kind in kinds.keys() & {"drop_during", "respond_during"}:
                self._go_on_alone(request, kinds[kind])
            response, user = self._serve(request)
        except Answer as answer:
            response = answer.response
        except Unauthorized as problem:
            asked = {"WWW-Authenticate": 'Basic realm="RESTAPI"'}
            response = error_page(401, problem.text, asked)
        if "drop_after" in kinds:
            raise Dropped
        if "respond_after" in kinds:
            response = _canned(kinds["respond_after"])
        correlation = request.correlation_id()
        if correlation is None and request.path.startswith(API) and response.status != 401:
            correlation = new_id()
        if correlation and response.correlated:
            headers = {**response.headers, "Correlation-Id": correlation}
            response = replace(response, headers=headers)
        return response, user

    def _go_on_alone(self, request: Request, fault: Fault) -> None:
        """Serve a request whose caller is given up while the work goes on.

        Raises:
            Dropped: The connection is closed.
            Answer: Something else answers in the engine's place.
        """

        def serve() -> None:
            with suppress(Answer, Unauthorized, Dropped):
                self._serve(request)

        self.engine.tasks.run(serve, f"alone {request.path}")
        # The fault is the delay: there is no event to wait for.
        time.sleep(float(fault.values.get("seconds", 0.2)))
        raise Dropped if fault.kind == "drop_during" else Answer(_canned(fault))

    def _before(self, kinds: dict[str, Fault]) -> None:
        """Apply the faults that a request meets before anything is done for it."""
        if "delay" in kinds:
            # The fault is the delay: there is no event to wait for.
            time.sleep(float(kinds["delay"].values.get("seconds", 1.0)))
        if "drop_before" in kinds:
            raise Dropped
        if "expire_token" in kinds:
            self.sso.expire_all()
        if "unauthorized" in kinds:
            raise Unauthorized(str(kinds["unauthorized"].values.get("text", EXPIRED)))
        if "respond" in kinds:
            raise Answer(_canned(kinds["respond"]))

    def _serve(self, request: Request) -> tuple[Response, str]:
        path = request.path.rstrip("/")
        beside = self.sso.answer(request) or self._beside(request, path)
        if beside is not None:
            return beside, ""
        user = self.sso.user(request)
        plain = bodies.versioned(request)
        call = Call(self.engine, plain, user, actor(user.name, request.correlation_id()))
        response = self._call(call)
        return bodies.with_version(response) if plain is not request else response, user.name

    def _beside(self, request: Request, path: str) -> Response | None:
        """Return the answer of what lies beside the API; None for the API itself."""
        if path == API or path.startswith(API + "/"):
            return None
        if path in {PKI_PATH, HEALTH_PATH}:
            return self._service(request, path)
        if path == ROOT_PATH:
            host = request.headers.get("host", "localhost")
            login = f"https://{host}{ROOT_PATH}/login?scope=ovirt-ext%3Dauth%3Aidentity"
            return Response(302, headers={**NOSNIFF, "Location": login})
        if path.startswith(ROOT_PATH + "/"):
            return Response(404, NOT_FOUND, HTML, NOSNIFF)
        return error_page(404, "Not Found")

    def _service(self, request: Request, path: str) -> Response:
        """Return the CA, and whether the engine is well."""
        if path == HEALTH_PATH:
            text = b"DB Up!Welcome to Health Status!"
            return Response(200, text, "text/html;charset=ISO-8859-1")
        if request.query.get("resource") != "ca-certificate":
            return error_page(400, "Missing resource name")
        return Response(200, self.ca_pem, "application/x-x509-ca-cert; charset=ISO-8859-1")

    def _call(self, call: Call) -> Response:
        """Run an API call; an unexpected error is 500, with its trace in the log."""
        try:
            self._filters(call)
            handler = self.router.find(call)
            form = bodies.wanted_form(call.request)
            try:
                response = self._followed(call, _handled(handler, bodies.checked(call)))
            except Answer as answer:
                response = answer.response
            return bodies.in_form(response, form)
        except (Answer, Dropped):
            raise
        except Exception:  # noqa: BLE001  the edge: everything else has an answer of its own
            text = traceback.format_exc().encode()
            return Response(500, text, "text/plain")

    def _filters(self, call: Call) -> None:
        unfiltered = call.request.headers.get("filter", "").strip().lower() in _NO
        if unfiltered and not call.admin and call.request.method == "GET":
            raise query_fault(400, NOT_PERMITTED)

    def _followed(self, call: Call, response: Response) -> Response:
        paths = call.request.query.get("follow", "")
        if not paths or call.request.method not in {"GET", "HEAD"} or response.status != 200:
            return response
        root = ET.fromstring(response.body)  # noqa: S314  our own
        collection = "id" not in root.attrib and root.tag != "api"
        follow(root, paths, lambda href: self._fetch(call, href), collection)
        return replace(response, body=codec.dump(root))

    def _fetch(self, call: Call, href: str) -> ET.Element | None:
        path, _unused, query = href.partition("?")
        inner = replace(call.request, path=path, query=parse_query(query))
        try:
            response = self.router.dispatch(replace(call, request=inner))
        except Answer as answer:
            if answer.response.status == 501:
                raise
            return None
        return ET.fromstring(response.body)  # noqa: S314  our own


def _handled(handler: Handler, call: Call) -> Response:
    """Return what a handler answers; an action tells its fault inside of itself."""
    try:
        return handler(call)
    except Answer as answer:
        if call.request.method == "POST" and call.request.body.startswith(b"<action"):
            raise codec.failed_action(answer, call.request.body) from answer
        raise


def _canned(fault: Fault) -> Response:
    """Return the answer that a fault brings: a fault body, a body of its own, or an empty one."""
    values = fault.values
    status = int(values.get("status", 500))
    if "body" in values:
        content = str(values.get("content_type", "text/html"))
        return Response(status, str(values["body"]).encode(), content)
    if "detail" not in values:
        return Response(status)
    reason = str(values.get("reason", "Operation Failed"))
    return codec.fault(status, reason, str(values["detail"])).response
