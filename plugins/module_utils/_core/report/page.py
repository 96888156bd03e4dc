# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on a repository as one HTML page: no script, nothing loaded from elsewhere, all text escaped.

Names come from manifests, which anybody may have written. Every text goes through ``_text``, and
the page forbids the browser to load or run anything.
"""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report.backup_repository_report import (
    BAD,
    GOOD,
    IDLE,
    NOT_RECORDED,
    WARN,
    Picture,
    ReportVm,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report.page_style import (
    STYLE,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
    naming,
    verification_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_WINDOW = timedelta(days=60)
_WIDTH, _HEIGHT = 240, 28
_SETS_LIMIT = 400
"""Rows per VM; of more sets, the newest are shown."""

_STRANGERS_LIMIT = 200
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_LEVELS = {
    BAD: ("✕", "Needs help"),
    WARN: ("!", "Check"),
    GOOD: ("✓", "Fine"),
    IDLE: ("-", "Retired"),
}
_STATES = {
    catalogue.COMPLETE: (GOOD, "complete"),
    catalogue.UNFINISHED: ("idle", "unfinished"),
    catalogue.CORRUPT: (BAD, "corrupt"),
    catalogue.PARENT_MISSING: (BAD, "parent missing"),
    catalogue.UNSUPPORTED: (WARN, "later format"),
    catalogue.UNREADABLE: (BAD, "unreadable"),
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(found: Picture) -> str:
    """Return the whole page."""
    title = _text(found.request.title)
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            *_header(found, title),
            "<main>",
            *_numbers(found),
            *_overview(found),
            *(line for vm in found.vms for line in _details(vm)),
            *_strangers(found),
            "</main>",
            *_footer(found),
            "</body>",
            "</html>",
            "",
        )
    )


def size(number: int) -> str:
    """Format bytes for people."""
    step = min(max(number.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{number} B" if step == 0 else f"{number / 1024**step:.1f} {_UNITS[step]}"


def _many(number: int, thing: str) -> str:
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing[:-1]}ies" if thing.endswith("y") else f"{number} {thing}s"


def _text(text: str) -> str:
    """Escape a text from outside, so that it cannot contain mark-up or affect its surroundings."""
    return html.escape(_CONTROL.sub("\ufffd", naming.show_text(text)), quote=True)


def _when(moment: datetime | None) -> str:
    if moment is None:
        return '<span class="none">never</span>'
    shown = moment.strftime("%Y-%m-%d %H:%M")
    return f'<time datetime="{moment.strftime("%Y-%m-%dT%H:%M:%SZ")}">{shown}</time>'


def _chip(kind: str, sign: str, words: str) -> str:
    mark = f'<span aria-hidden="true">{sign}</span> ' if sign else ""
    return f'<span class="chip {kind}">{mark}{words}</span>'


def _header(found: Picture, title: str) -> Iterable[str]:
    level, said = _sentence(found)
    yield "<header>"
    yield f"<h1>{title}</h1>"
    yield f"<p>{_text(found.request.repository)}, as of {_when(found.now)} UTC</p>"
    yield f'<p class="banner {level}">{_chip(level, *_LEVELS[level])} {said}</p>'
    yield "</header>"


def _sentence(found: Picture) -> tuple[str, str]:
    """Return the level of the whole repository, and a sentence about it."""
    if found.unread:
        hidden = _many(len(found.unread), "directory")
        return BAD, f"{hidden} of sets could not be read."
    if found.recorded.faults:
        return BAD, "The records of the VMs that should be backed up could not be read."
    if not found.vms:
        return WARN, "The repository contains no backup set."
    return _of_vms(found)


def _of_vms(found: Picture) -> tuple[str, str]:
    """Return the level of all VMs, and a sentence; it is good only if the VMs to be backed up are known."""
    bad, warn, idle = (found.count(level) for level in (BAD, WARN, IDLE))
    if idle == len(found.vms):
        return WARN, "Every VM of the repository is retired."
    known = found.recorded.there
    unknown = "" if known else f" {NOT_RECORDED}"
    every = "Every VM" if known else "Every VM with sets here"
    if bad:
        return (
            BAD,
            f"{bad} of {_many(len(found.vms) - idle, 'VM')} without a recent good set.{unknown}",
        )
    if warn:
        looked = _many(warn, "VM")
        return WARN, f"{every} has a recent good set, but {looked} should be checked.{unknown}"
    level = GOOD if known else WARN
    return level, f"{every} has a good, recent, verified set.{unknown}"


def _numbers(found: Picture) -> Iterable[str]:
    entries = [entry for vm in found.vms for entry in vm.entries]
    numbers = (
        ("VMs", str(len(found.vms))),
        ("Sets", str(len(entries))),
        ("Stored", size(sum(entry.bytes_stored for entry in entries))),
        ("Protected", str(sum(entry.seen.protected for entry in entries))),
        ("Corrupt", str(sum(entry.state == catalogue.CORRUPT for entry in entries))),
        ("Unfinished", str(sum(entry.state == catalogue.UNFINISHED for entry in entries))),
    )
    yield '<dl class="numbers">'
    for name, number in numbers:
        yield f"<div><dt>{name}</dt><dd>{number}</dd></div>"
    yield "</dl>"


def _overview(found: Picture) -> Iterable[str]:
    top = max((vm.bytes_stored for vm in found.vms), default=0)
    days = _WINDOW.days
    yield '<section class="card"><h2>Virtual machines</h2>'
    yield '<div class="wide" role="region" aria-label="Virtual machines" tabindex="0"><table>'
    yield f"<caption>What needs help comes first. The bars are the sets of {days} days.</caption>"
    names = ("VM", "State", "Newest good set", "Last verified", f"{days} days", "Sets", "Stored")
    yield f"<thead><tr>{''.join(_head(name) for name in names)}</tr></thead><tbody>"
    for vm in found.vms:
        yield _row(vm, found.now, top)
    yield "</tbody></table></div></section>"


def _head(name: str) -> str:
    number = ' class="number"' if name in ("Sets", "Stored", "Disks", "Size") else ""
    return f'<th scope="col"{number}>{name}</th>'


def _row(vm: ReportVm, now: datetime, top: int) -> str:
    words = [*vm.words, *([vm.retired] if vm.retired else [])]
    said = "".join(f"<li>{_text(one)}</li>" for one in words)
    share = round(100 * vm.bytes_stored / top) if top else 0
    cells = (
        f'<th scope="row"><a href="#vm-{vm.id}"><bdi>{_text(vm.name) or "(no name)"}</bdi></a></th>',
        f"<td>{_chip(vm.level, *_LEVELS[vm.level])}{f'<ul>{said}</ul>' if said else ''}</td>",
        f"<td>{_when(vm.newest.time if vm.newest else None)}</td>",
        f"<td>{_when(vm.verified)}</td>",
        f"<td>{_timeline(vm, now)}</td>",
        f'<td class="number">{len(vm.entries)}</td>',
        f'<td class="number">{size(vm.bytes_stored)}'
        f'<span class="share"><span style="width:{share}%"></span></span></td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _timeline(vm: ReportVm, now: datetime) -> str:
    """Return a bar for each set: when, how large, and in which state; with a text that says the same."""
    shown = [entry for entry in vm.entries if now - _WINDOW <= entry.time <= now]
    largest = max((entry.bytes_stored for entry in shown), default=0) or 1
    bars = "".join(_bar(entry, now, largest) for entry in shown)
    broken = sum(not entry.is_good for entry in shown)
    words = f"{_many(len(shown), 'set')} in {_WINDOW.days} days"
    words += f", {broken} of them not good" if broken else ""
    return (
        f'<svg role="img" aria-label="{words}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}"><title>{words}</title>'
        f'<line x1="0" y1="{_HEIGHT - 0.5}" x2="{_WIDTH}" y2="{_HEIGHT - 0.5}"/>{bars}</svg>'
    )


def _bar(entry: catalogue.Entry, now: datetime, largest: int) -> str:
    place = 1 - (now - entry.time) / _WINDOW
    height = max(4.0, (_HEIGHT - 2) * entry.bytes_stored / largest)
    kind, _words = _STATES[entry.state]
    return (
        f'<rect class="{kind}" x="{place * (_WIDTH - 3):.1f}" '
        f'y="{_HEIGHT - 1 - height:.1f}" width="3" height="{height:.1f}" rx="1"/>'
    )


def _details(vm: ReportVm) -> Iterable[str]:
    shown: Sequence[catalogue.Entry] = vm.entries[::-1][:_SETS_LIMIT]
    name = _text(vm.name) or "(no name)"
    yield f'<section class="card" id="vm-{vm.id}"><details><summary>'
    yield f"<h2><bdi>{name}</bdi></h2> <span>{_many(len(vm.entries), 'set')}, {size(vm.bytes_stored)}</span>"
    yield "</summary>"
    yield f'<p class="id">{vm.id}</p>'
    if len(shown) < len(vm.entries):
        yield f"<p>The newest {len(shown)} of them:</p>"
    yield f'<div class="wide" role="region" aria-label="Sets of {name}" tabindex="0"><table>'
    yield f"<caption>Sets of <bdi>{name}</bdi>, the newest first; times are UTC</caption>"
    names = ("Time", "State", "Consistency", "Disks", "Size", "Stored", "Verified", "Run")
    yield f"<thead><tr>{''.join(_head(one) for one in names)}</tr></thead><tbody>"
    yield from (_set(entry) for entry in shown)
    yield "</tbody></table></div></details></section>"


def _set(entry: catalogue.Entry) -> str:
    known = entry.manifest
    kind, words = _STATES[entry.state]
    state = _chip(kind, "", words) + (
        _chip("idle", "", "protected") if entry.seen.protected else ""
    )
    for said in (entry.reason, entry.doubt or entry.note):
        if said:
            state += f'<p class="reason">{_text(said[:500])}</p>'
    virtual = sum(disk.virtual_size for disk in known.disks) if known else None
    cells = (
        f'<th scope="row">{_when(entry.time)}</th>',
        f"<td>{state}</td>",
        f"<td>{_text(catalogue.level(entry) or '')}</td>",
        f'<td class="number">{len(known.disks) if known else ""}</td>',
        f'<td class="number">{"" if virtual is None else size(virtual)}</td>',
        f'<td class="number">{size(entry.bytes_stored)}</td>',
        f"<td>{_verified(entry)}</td>",
        f'<td class="id">{_text(entry.run_id)}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _verified(entry: catalogue.Entry) -> str:
    last = entry.verified
    if last is None:
        return _when(None)
    kind = GOOD if last.verdict == verification_record.OK else BAD
    return f"{_when(last.moment)} {_chip(kind, '', _text(last.verdict))} {_text(last.depth)}"


def _strangers(found: Picture) -> Iterable[str]:
    if not found.strangers:
        return
    shown = found.strangers[:_STRANGERS_LIMIT]
    yield '<section class="card"><h2>Not recognised</h2>'
    yield f"<p>{_many(len(found.strangers), 'thing')} in the repository that is no set. "
    yield "Nothing here touches it.</p>"
    yield "<ul>"
    for one in shown:
        yield f"<li><code><bdi>{_text(one.path)}</bdi></code> {_text(one.reason)}</li>"
    yield "</ul></section>"


def _footer(found: Picture) -> Iterable[str]:
    request = found.request
    yield (
        f"<footer><p>Overdue: no good set for more than {request.overdue_hours:g} hours. "
        f"Not verified: none found good for more than {request.verify_days:g} days. "
        "Retired: no longer backed up on purpose, until a run backs it up again. "
        "Written by ovirt_community.backup; this page is as old as it says.</p></footer>"
    )
