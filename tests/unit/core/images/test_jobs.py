# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call does about the job behind a copy, and how an error passes through it unchanged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common import errors
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images import jobs
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.jobs import Found

DONE: dict[str, dict[str, int]] = {"result": {}}
FAILED: dict[str, dict[str, int]] = {"failure": {}}
REQUEST = CopyRequest((ImageRequest("a" * 20, 1, "/a"), ImageRequest("b" * 20, 2, "/b")))


@pytest.mark.parametrize(
    ("found", "follower", "unbound", "bound"),
    [
        (None, "me", jobs.START, jobs.START),
        (None, "", jobs.START, jobs.START),
        (Found(True, "me"), "me", jobs.JOIN, jobs.JOIN),
        (Found(True, "other"), "me", jobs.OUTLAST, jobs.JOIN),
        (Found(True), "", jobs.OUTLAST, jobs.JOIN),
        (Found(True, "other", outcome=DONE), "me", jobs.OUTLAST, jobs.JOIN),
        (Found(False, "me", outcome=DONE), "me", jobs.COLLECT, jobs.COLLECT),
        (Found(False, "me", outcome=FAILED), "me", jobs.COLLECT, jobs.COLLECT),
        (Found(False, "other", outcome=DONE), "me", jobs.START, jobs.COLLECT),
        (Found(False, "other", outcome=FAILED), "me", jobs.START, jobs.START),
        (Found(False, "", outcome=DONE), "", jobs.START, jobs.COLLECT),
        (Found(False, outcome=DONE, collected="me"), "me", jobs.COLLECT, jobs.COLLECT),
        (Found(False, "me", outcome=DONE, collected="other"), "me", jobs.START, jobs.START),
        (Found(False, outcome=DONE, collected=""), "", jobs.START, jobs.START),
        (Found(False, "me"), "me", jobs.DIED, jobs.DIED),
        (Found(False, "other"), "me", jobs.START, jobs.START),
        (Found(False), "", jobs.START, jobs.START),
    ],
)
def test_steps(found: Found | None, follower: str, unbound: str, bound: str) -> None:
    assert jobs.decide(found, follower, bound=False) == unbound
    assert jobs.decide(found, follower, bound=True) == bound


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (Found(True, "me"), None),
        (Found(True, "me", outcome=DONE, collected="me"), None),
        (Found(False, "me", outcome=DONE, collected="me"), jobs.KEEP_COLLECTED),
        (Found(False, outcome=FAILED, collected=""), jobs.KEEP_COLLECTED),
        (Found(False, "me", outcome=DONE), jobs.KEEP_UNCOLLECTED),
        (Found(False, "me"), jobs.KEEP_UNCOLLECTED),
    ],
)
def test_notes_go_when_nobody_will_ask(found: Found, kept: float | None, sign: int) -> None:
    ages = [0.0, jobs.KEEP_COLLECTED + 1, jobs.KEEP_UNCOLLECTED + 1, 1e10]
    over = [jobs.is_over(found, sign * age) for age in ages]
    assert over == [kept is not None and age > kept for age in ages]


def test_a_job_is_known_by_its_images_alone() -> None:
    assert jobs.key(REQUEST) == jobs.key(replace(REQUEST, device_timeout=1.0))
    others = [
        replace(REQUEST, format="raw"),
        replace(REQUEST, compression="zstd"),
        replace(REQUEST, snapshot="of last night"),
        replace(REQUEST, images=REQUEST.images[:1]),
        replace(REQUEST, images=(replace(REQUEST.images[0], dest="/c"), REQUEST.images[1])),
    ]
    assert len({jobs.key(one) for one in [REQUEST, *others]}) == 6


def test_an_error_comes_out_as_it_went_in() -> None:
    went = errors.NoSpace("full", hint="free some", details={"free": 1})
    outcome = json.loads(json.dumps(jobs.outcome_of(went)))
    with pytest.raises(errors.NoSpace) as came:
        jobs.raise_failure(outcome)
    assert vars(came.value) == vars(went)


def test_an_error_of_a_later_version_is_still_an_error() -> None:
    outcome = {"failure": {"code": "new", "message": "m", "hint": "", "details": {}}}
    with pytest.raises(errors.BackupError, match="m"):
        jobs.raise_failure(outcome)


def test_a_result_is_no_error() -> None:
    jobs.raise_failure(DONE)


@pytest.mark.parametrize(
    ("log", "says"),
    [("", "probably killed"), ("Traceback\n  x\nOSError: no\n", "result. OSError: no")],
)
def test_a_death_says_what_is_known(log: str, says: str) -> None:
    died = jobs.died(log)
    assert says in died.message
    assert died.code == "copy_died"
