# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on a repository, as a browser shows it."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from appliance.stored import START, Repository, uuid

from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository import (
    repository,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._appliance.repository.backup_repository_report import (
    BackupRepositoryReport,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import repository_args
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.edge import perform

NOW = (START + timedelta(hours=5)).timestamp()
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",  # containers often have little of it
)


def report(path: Path, *, check_mode: bool = False, **params: Any) -> dict[str, Any]:  # noqa: ANN401
    asked = {
        key: option.get("default")
        for key, option in repository_args.BACKUP_REPOSITORY_REPORT.items()
    }
    request = repository_args.backup_repository_report_request(
        {**asked, "repository": str(path), **params}
    )
    result, _warnings = perform(BackupRepositoryReport(request, lambda: NOW), check_mode=check_mode)
    return result


def browse(*words: str) -> str:
    """Have a browser look at something, without a network.

    Its sockets lie in the directory for temporary files, whose path may be too long for them.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no chromium")
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as home:
        argv = [program, *OFFLINE, f"--user-data-dir={home}", *words]
        env = {**os.environ, "TMPDIR": home}
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, timeout=120, env=env
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pixels(path: Path) -> tuple[int, int, list[bytes]]:
    """Width, height and rows of a PNG of 8 bits without interlacing; rows as they are filtered."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind, _c, _f, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, interlaced) == (8, 0)
    packed, offset = b"", 8
    while offset < len(data):
        (length,) = struct.unpack(">I", data[offset : offset + 4])
        if data[offset + 4 : offset + 8] == b"IDAT":
            packed += data[offset + 8 : offset + 8 + length]
        offset += 12 + length
    plain = zlib.decompress(packed)
    step = 1 + width * {2: 3, 6: 4}[kind]
    return width, height, [plain[row * step : (row + 1) * step] for row in range(height)]


@pytest.fixture
def page(repository: Path) -> Path:
    """A page with something of everything."""
    stored = Repository(repository)
    for number in range(3):
        stored.add(1, START - timedelta(days=number), run=f"r{number}", name=SCRIPT)
    stored.add(2, START - timedelta(days=9), name="db01")
    (repository / SCRIPT.replace("/", "")).touch()
    result = report(repository, title=SCRIPT)
    assert result["problems"] == [
        "db01: overdue, the newest good set is 9 days old",
        "db01: never verified",
        f"{SCRIPT}: never verified",
        "The repository has no record of the VMs to back up; the next backup writes it.",
    ]
    return Path(result["dest"])


def test_a_browser_shows_it_and_runs_nothing(page: Path) -> None:
    dom = browse("--dump-dom", page.as_uri())
    assert "<title>taken" not in dom
    assert "<script" not in dom
    assert "<img" not in dom
    assert dom.count("&lt;script&gt;document.title") >= 5
    assert dom.count("<rect") == 4
    assert dom.count("<caption>") == 3
    assert f'href="#vm-{uuid(2)}"' in dom
    assert "overdue, the newest good set is 9 days old" in dom


def test_it_is_seen_by_day_and_by_night(page: Path, tmp_path: Path) -> None:
    paper = []
    for scheme in ("1", "0"):
        shot = tmp_path / f"{scheme}.png"
        browse(
            "--window-size=1200,900",
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={shot}",
            page.as_uri(),
        )
        width, height, rows = pixels(shot)
        assert (width, height) == (1200, 900)
        assert len(set(rows)) > 100  # something is drawn
        paper.append(max(rows[0][1:4]))
    assert paper[0] > 200
    assert paper[1] < 60


def test_the_page_needs_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text()
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text)
    assert "url(" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_the_page_is_no_stranger(page: Path, repository_path: Path) -> None:
    assert page == repository_path / "index.html"
    assert page.stat().st_mode & 0o777 == 0o600
    names = [one.path for one in repository.read(str(repository_path)).strangers]
    assert str(page) not in names
    assert len(names) == 1


@pytest.fixture
def repository_path(repository: Path) -> Path:
    """The repository, where a test also needs the module of this name."""
    return repository


def test_check_mode_writes_nothing(repository: Path) -> None:
    Repository(repository).add()
    predicted = report(repository, check_mode=True)
    assert predicted["changed"]
    assert not (repository / "index.html").exists()
    assert report(repository)["size"] == predicted["size"]


def test_places_where_others_write_are_refused(repository: Path, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(repository)
    (tmp_path / "directory").mkdir()
    for dest in (
        open_to_all / "page.html",
        link / "page.html",
        tmp_path / "missing/page.html",
        tmp_path / "directory",
        "page.html",
    ):
        with pytest.raises(InvalidRequest):
            report(repository, dest=str(dest))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    with pytest.raises(InvalidRequest, match="only root can write"):
        report(repository, dest=str(theirs / "page.html"))


def test_a_link_is_replaced(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    dest = tmp_path / "page.html"
    dest.symlink_to(tmp_path / "victim")
    report(repository, dest=str(dest))
    assert not dest.is_symlink()
    assert (tmp_path / "victim").read_text() == ""
