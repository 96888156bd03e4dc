# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says of a repository, and that the page holds only what we wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.core.repository.test_backup_set_prune import VERIFIED
from unit.core.repository.test_catalogue import seen
from unit.samples import uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report import page
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.report.backup_repository_report import (
    Picture,
    ReportRequest,
    check_request,
    picture,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository import (
    catalogue,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.repository.backup_vm import (
    Recorded,
    Source,
)

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
REQUEST = ReportRequest("/srv/backup", "/srv/backup/index.html", "Backups")


THERE = Recorded(there=True)


def build(
    *entries: catalogue.Entry,
    recorded: Recorded = THERE,
    **more: Any,  # noqa: ANN401
) -> Picture:
    return picture(catalogue.Catalogue("/srv/backup", entries, **more), REQUEST, NOW, recorded)


def entry(vm: int = 1, hours: int = 0, **changes: Any) -> catalogue.Entry:  # noqa: ANN401
    [found] = catalogue.build("/srv/backup", [seen(vm, hours)]).entries
    return replace(found, **changes)


class Reader(HTMLParser):
    """Elements, and texts by element."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self, tag: str) -> str:
        return "".join(data for place, data in self.texts if place == tag)


def read(found: Picture) -> Reader:
    reader = Reader()
    reader.feed(page.render(found))
    reader.close()
    assert reader.open == []
    return reader


def test_what_is_wrong_comes_first() -> None:
    old = entry(2, -72, verified=VERIFIED, vm_name="old")
    bad = entry(3, 1, state="corrupt", reason="x", vm_name="bad")
    fine = entry(1, 1, verified=VERIFIED)
    both = [
        entry(4, 1, vm_name="app"),
        *(entry(4, hours, vm_name="app", state="corrupt") for hours in (2, 3)),
    ]
    stale = replace(VERIFIED, time="2026-10-01T00:00:00Z")
    found = build(
        fine,
        *both,
        old,
        bad,
        entry(5, 1, vm_name="stale", verified=stale),
        entry(5, 2, vm_name="stale", state="unsupported"),
    )
    assert [(vm.name, vm.level) for vm in found.vms] == [
        ("bad", "bad"),
        ("old", "bad"),
        ("app", "warn"),
        ("stale", "warn"),
        ("web01", "good"),
    ]
    assert found.problems() == [
        "bad: no good set",
        "bad: a corrupt set",
        "old: overdue, the newest good set is 4 days old",
        "app: 2 corrupt sets",
        "app: never verified",
        "stale: a set of a later format",
        "stale: last verified 54 days ago",
    ]
    request = replace(REQUEST, overdue_hours=20)
    [vm] = picture(catalogue.Catalogue("/r", (fine,)), request, NOW, THERE).vms
    assert vm.words == ["overdue, the newest good set is 23 hours old"]


def test_a_set_from_the_future_hides_no_overdue_vm_and_is_named() -> None:
    """One set dated 2036 had the page say for ten years that all is well."""
    when = datetime(2026, 11, 20, 1, tzinfo=UTC)
    far = seen(1, 24 * 3650)
    found = catalogue.build("/srv/backup", [seen(1, -72), far], now=NOW)
    drawn = picture(found, REQUEST, NOW, THERE)
    assert drawn.vms[0].newest
    assert drawn.vms[0].newest.time == when
    assert drawn.problems()[0] == "web01: overdue, the newest good set is 4 days old"
    assert drawn.problems()[1].startswith(
        f"web01: the time of the set {far.name} is not certain: it is"
    )
    assert "it is dated 2036-11-20T01:00:00Z" in read(drawn).text("p")


def test_a_verification_that_is_to_come_is_none() -> None:
    found = build(entry(verified=replace(VERIFIED, time="2036-01-01T00:00:00Z")))
    assert found.problems() == ["web01: never verified"]


def test_what_could_not_be_looked_at_is_a_problem() -> None:
    lost = entry(hours=1, state="unreadable", reason="The directory cannot be read: EIO.")
    dead = catalogue.Stranger(f"/srv/backup/app.{uuid(2)}", "cannot be read: EIO", unread=True)
    found = build(entry(verified=VERIFIED), lost, strangers=(dead,))
    assert found.problems() == [
        f"{dead.path} cannot be read: EIO",
        f"web01: the set {lost.seen.name} cannot be read: The directory cannot be read: EIO",
    ]
    assert "1 directory of sets could not be read." in read(found).text("p")
    again = build(strangers=(dead, replace(dead, path=f"/srv/backup/db.{uuid(3)}")))
    assert "2 directories of sets could not be read." in read(again).text("p")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((), "The repository contains no backup set."),
        ((entry(state="corrupt"),), "1 of 1 VM without a recent good set."),
        ((entry(),), "Every VM has a recent good set, but 1 VM should be checked."),
        ((entry(verified=VERIFIED),), "Every VM has a good, recent, verified set."),
    ],
)
def test_the_first_sentence(entries: tuple[catalogue.Entry, ...], said: str) -> None:
    assert said in read(build(*entries)).text("p")


DB = Source(uuid(2), "db01", "2026-11-20T01:00:00Z")
GONE = Source(uuid(1), "web01", "2026-11-01T00:00:00Z", "2026-11-22T01:00:00Z", "<b>replaced</b>")


def test_a_vm_without_a_set_is_red() -> None:
    """Every VM has a recent good set, it was said, though this one had none."""
    found = build(entry(verified=VERIFIED), recorded=replace(THERE, vms=(DB,)))
    assert [(vm.name, vm.level) for vm in found.vms] == [("db01", "bad"), ("web01", "good")]
    assert found.problems() == [
        "db01: no set, although backups were requested since 2026-11-20T01:00:00Z"
    ]
    reader = read(found)
    assert "1 of 2 VMs without a recent good set." in reader.text("p")
    assert "db01" in reader.text("bdi")
    found = build(entry(2, vm_name="db01", verified=VERIFIED), recorded=replace(THERE, vms=(DB,)))
    assert found.problems() == []


def test_sets_that_could_not_be_looked_at_are_not_missing() -> None:
    dead = catalogue.Stranger(f"/srv/backup/db01.{DB.id}", "cannot be read: EIO", unread=True)
    found = build(recorded=replace(THERE, vms=(DB,)), strangers=(dead,))
    assert found.problems()[1:] == ["db01: its sets could not be read"]


def test_a_retired_vm_is_not_overdue() -> None:
    """It was red for ever."""
    recorded = replace(THERE, vms=(GONE, replace(DB, retired="2026-11-22T01:00:00Z")))
    old = entry(hours=-24 * 60, verified=VERIFIED)
    found = build(old, entry(3, vm_name="app", verified=VERIFIED), recorded=recorded)
    assert [(vm.name, vm.level) for vm in found.vms] == [("app", "good"), ("web01", "idle")]
    assert found.problems() == []
    reader = read(found)
    assert "retired 2026-11-22T01:00:00Z: <b>replaced</b>" in reader.text("li")
    assert "- Retired" in reader.text("span")
    assert "Every VM has a good, recent, verified set." in reader.text("p")
    found = build(old, recorded=replace(THERE, vms=(replace(GONE, reason=""),)))
    assert "Every VM of the repository is retired." in read(found).text("p")
    assert read(found).text("li") == "retired 2026-11-22T01:00:00Z"


def test_the_sets_of_a_retired_vm_are_looked_at_all_the_same() -> None:
    lost = entry(hours=1, state="unreadable", reason="EIO.")
    found = build(entry(state="corrupt", reason="x"), lost, recorded=replace(THERE, vms=(GONE,)))
    assert found.vms[0].level == "bad"
    assert found.vms[0].words[0] == "no good set"


def test_who_is_to_be_backed_up_is_not_known() -> None:
    """Then the page is never green."""
    found = build(entry(verified=VERIFIED), recorded=Recorded())
    said = "The repository has no record of the VMs to back up; the next backup writes it."
    assert found.problems() == [said]
    text = read(found).text("p")
    assert f"Every VM with sets here has a good, recent, verified set. {said}" in text
    assert "Check" in read(found).text("span")
    found = build(entry(state="corrupt"), recorded=Recorded())
    assert f"1 of 1 VM without a recent good set. {said}" in read(found).text("p")
    found = build(entry(verified=VERIFIED), recorded=replace(THERE, faults=("/r/vms: EIO",)))
    assert found.problems() == ["/r/vms: EIO"]
    said = "The records of the VMs that should be backed up could not be read."
    assert said in read(found).text("p")


def test_everything_is_shown() -> None:
    protected = entry(hours=2, verified=VERIFIED, seen=replace(seen(), protected=True))
    odd = [
        entry(hours=3 + n, state=state, reason=f"r{n}") for n, state in enumerate(catalogue.STATES)
    ]
    nameless = entry(2, vm_name=None, manifest=None, state="unfinished", reason="No manifest.")
    blank = entry(3, vm_name="")
    stranger = catalogue.Stranger("/srv/backup/x<y", "is odd")
    reader = read(build(protected, *odd, nameless, blank, strangers=(stranger,)))
    for words in (
        "complete",
        "unfinished",
        "corrupt",
        "parent missing",
        "later format",
        "unreadable",
    ):
        assert words in reader.text("span"), words
    assert "protected" in reader.text("span")
    assert "No manifest." in reader.text("p")
    assert "/srv/backup/x<y" in reader.text("bdi")
    assert uuid(2) in reader.text("bdi")
    assert "(no name)" in reader.text("bdi")
    assert reader.tags.count("table") == 4
    assert reader.tags.count("caption") == 4
    assert reader.tags.count("svg") == 3
    assert reader.tags.count("rect") == 9


def test_sets_outside_the_window_have_no_bar() -> None:
    reader = read(build(entry(hours=-24 * 90), entry(hours=100), entry()))
    assert reader.tags.count("rect") == 1
    assert "1 set in 60 days" in reader.text("title")


def test_very_many_sets_are_cut() -> None:
    reader = read(build(*(entry(run_id=str(number)) for number in range(500))))
    assert "The newest 400 of them:" in reader.text("p")
    assert reader.tags.count("tr") == 1 + 1 + 1 + 400


TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "p", "main", "dl", "div"),
    *("dt", "dd", "section", "h2", "table", "caption", "thead", "tr", "th", "tbody", "td", "ul"),
    *("li", "a", "bdi", "span", "time", "svg", "line", "rect", "details", "summary", "footer"),
    "code",
}

hostile = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "</title></style><script>",
            "'-alert(1)-'",
            "&lt;b&gt;&amp;",
            "<!--",
            "]]>",
            "\u202egnp.exe",
            "\x00\x1b[31m\ud800",
        ]
    ),
)


@given(hostile, hostile, hostile)
def test_names_are_text(name: str, reason: str, path: str) -> None:
    found = build(
        entry(vm_name=name, state="corrupt", reason=reason),
        strangers=(catalogue.Stranger(path, reason),),
    )
    text = page.render(replace(found, request=replace(REQUEST, title=name, repository=path)))
    text.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert set(reader.tags) <= TAGS
    assert not {one for one in reader.attributes if one.startswith("on") or one == "src"}


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10 * 1024**3, "10.0 GiB"),
        (1024**5, "1.0 PiB"),
        (1024**7, "1048576.0 PiB"),
    ],
)
def test_sizes(number: int, said: str) -> None:
    assert page.size(number) == said


def test_requests() -> None:
    check_request(REQUEST)
    for wrong in (replace(REQUEST, overdue_hours=0), replace(REQUEST, verify_days=-1)):
        with pytest.raises(InvalidRequest):
            check_request(wrong)
