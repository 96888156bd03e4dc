# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders of scenes: what each symbolic name stands for here, and what a placeholder may match."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PLACEHOLDER = re.compile(r"\{(date[^{}]*|[a-zA-Z_][\w.-]*(?::\d+)?)\}")
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
# What is known by its form alone.
FORMS = {"n": r"-?\d+", "ms": r"\d+", "token": r"[^\s\"<&]+", "jwt": r"\S+", "hash": r"[0-9a-f]+"}
# Dates of an OVF, which the recordings keep as they were.
OVF_DATE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d")
# Object hashes of Java that a recording left in.
# An event's address, whose number a recording left in.
EVENT = re.compile(r"/events/-?\d+")
JAVA_HASH = re.compile(r"@[0-9a-f]{6,8}\b")


class Unnamed(Exception):
    """A request uses a name that nothing is bound to."""


@dataclass
class Names:
    """Symbolic names of a scene, each with what it stands for in this world."""

    bound: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Put what the names stand for into a request.

        Raises:
            Unnamed: A name is bound to nothing.
        """

        def put(match: re.Match[str]) -> str:
            name = match.group(1)
            if text[max(0, match.start() - 1) : match.start()] == "$":
                return match.group()
            if name not in self.bound:
                raise Unnamed(f"{{{name}}}")
            return self.bound[name]

        return PLACEHOLDER.sub(put, text)

    def pattern(self, recorded: str) -> re.Pattern[str]:
        """Return the expression that an answer's text has to match wholly."""
        if OVF_DATE.fullmatch(recorded):
            return OVF_DATE
        parts, end = [], 0
        for match in PLACEHOLDER.finditer(recorded):
            if recorded[max(0, match.start() - 1) : match.start()] == "$":
                continue
            parts += [_literal(recorded[end : match.start()]), self._form(match)]
            end = match.end()
        return re.compile("".join([*parts, _literal(recorded[end:])]), re.DOTALL)

    def _form(self, match: re.Match[str]) -> str:
        name = match.group(1)
        if name in FORMS:
            # Each sign-in gives another token, whichever is the one that the scene goes on with.
            return FORMS[name]
        if name in self.bound:
            return re.escape(self.bound[name])
        if name.startswith("date"):
            return _date(name.removeprefix("date"))
        return UUID if name.startswith("id:") else re.escape(match.group())

    def known(self, recorded: str) -> bool:
        """Tell whether a text names something of this world, such as the id of one of its VMs."""
        return any(match.group(1) in self.bound for match in PLACEHOLDER.finditer(recorded))


def _literal(text: str) -> str:
    found = JAVA_HASH.sub("@[0-9a-f]+", re.escape(text).replace("\\@", "@"))
    return EVENT.sub(lambda _number: f"/events/{FORMS['n']}", found)


def _date(form: str) -> str:
    """Return a date by its form: as many digits of a second, and a zone of the same kind."""
    digits = form.count("d")
    fraction = rf"\.\d{{{digits}}}" if digits else ""
    rest = form.lstrip(".d")
    zone = r"[+-]\d\d:\d\d" if rest and rest != "Z" else re.escape(rest)
    return rf"\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d{fraction}{zone}"
