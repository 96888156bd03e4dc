# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the house rules refuse, and what they let pass."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    """The program, as a module; it belongs to no package."""
    spec = importlib.util.spec_from_file_location("house_rules", ROOT / "tools/house_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sphinx(rules: ModuleType, source: str) -> list[str]:
    return list(rules.sphinx((Path("one.py"), ast.parse(source))))


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ('"""Module. See :mod:`other`."""', ":mod:`"),
        ('def f(a):\n    """Do.\n\n    :param a: One.\n    """', ":param a:"),
        ('def f(a):\n    """Do.\n\n    :param int a: One.\n    """', ":param int a:"),
        ('def f():\n    """:raises OSError: Always."""', ":raises OSError:"),
        ('def f():\n    """Do.\n\n    :returns: One.\n    """', ":returns:"),
        ('def f():\n    """Do.\n\n    :rtype: int\n    """', ":rtype:"),
        ('class C:\n    """One.\n\n    :ivar a: One.\n    """', ":ivar a:"),
        ('class C:\n    a = 1\n    """As in :py:class:`D`."""', ":py:class:`"),
        ('async def f():\n    """See :func:`g`."""', ":func:`"),
    ],
)
def test_a_docstring_in_the_style_of_sphinx_is_refused(
    rules: ModuleType, source: str, word: str
) -> None:
    [said] = sphinx(rules, source)
    assert said.startswith("one.py:")
    assert word in said


@pytest.mark.parametrize(
    "source",
    [
        'def f(a):\n    """Do.\n\n    Args:\n        a: One.\n\n    Raises:\n        OSError: Always.\n    """',
        'def f():\n    """Return ``a:param``, or ``major:minor``: see ``g``."""',
        'def f():\n    """Begin.\n\n    - ``a``: one\n    - b: `c`\n    """',
        'TEXT = """:param a: what somebody else wrote"""',
    ],
)
def test_a_docstring_in_the_style_of_google_passes(rules: ModuleType, source: str) -> None:
    assert sphinx(rules, source) == []


def stale(rules: ModuleType, source: str) -> list[str]:
    return list(rules.stale_sections((Path("one.py"), ast.parse(source))))


@pytest.mark.parametrize(
    "source",
    [
        'def f(a):\n    """Do.\n\n    Args:\n        b: One.\n    """',
        'async def f(a, *, c):\n    """Do.\n\n    Args:\n        a: One\n            and more.\n        b: Two.\n    """',
        'class C:\n    """One.\n\n    Attributes:\n        b: One.\n    """\n    a: int = 1',
        'class C:\n    """One.\n\n    Args:\n        b: One.\n    """\n    def __init__(self, a): ...',
    ],
)
def test_a_described_name_that_does_not_exist_is_refused(rules: ModuleType, source: str) -> None:
    [said] = stale(rules, source)
    assert said.endswith("describes b, which does not exist")


@pytest.mark.parametrize(
    "source",
    [
        'def f(a, /, b, *args, c=1, **kwargs):\n    """Do.\n\n    Args:\n        a: 1\n        b: 2\n'
        '        *args: 3\n        c: 4\n        **kwargs: 5\n\n    Raises:\n        OSError: No argument.\n    """',
        'class C:\n    """One.\n\n    Attributes:\n        a: See the note:\n            this is no name: but text.\n    """\n    a: int = 1',
        'class C:\n    """One.\n\n    Args:\n        a: One.\n    """\n    def __init__(self, a): ...',
    ],
)
def test_a_described_name_that_exists_passes(rules: ModuleType, source: str) -> None:
    assert stale(rules, source) == []


def verbless(rules: ModuleType, path: Path, source: str) -> list[str]:
    return list(rules.verbless((path, ast.parse(source))))


@pytest.mark.parametrize("words", ["The name.", "What it is.", "``major:minor`` of it.", "a name"])
@pytest.mark.parametrize("place", ["module_utils/_core/one.py", "plugin_utils/_one.py"])
def test_a_docstring_that_begins_without_a_verb_is_refused(
    rules: ModuleType, place: str, words: str
) -> None:
    [said] = verbless(rules, ROOT / "plugins" / place, f'def f():\n    """{words}"""')
    assert f"f: begin with a verb, not with {words.split(maxsplit=1)[0]!r}" in said


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("module_utils/_core/one.py", 'def f():\n    """Return the name."""'),
        ("module_utils/_core/one.py", "def f():\n    return 1"),
        ("module_utils/_core/one.py", '@property\ndef f():\n    """The name."""'),
        ("module_utils/_core/one.py", 'class C:\n    """The name."""'),
        ("doc_fragments/one.py", 'def f():\n    """The name."""'),
    ],
)
def test_a_docstring_that_begins_with_a_verb_or_describes_a_thing_passes(
    rules: ModuleType, place: str, source: str
) -> None:
    assert verbless(rules, ROOT / "plugins" / place, source) == []


def test_a_stale_phrase_is_refused_in_docstrings_and_comments(
    rules: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "one.py"
    path.write_text(
        '"""It is made\n\nanew."""\n\nNAME = "Nowhere"  # leads nowhere\n', encoding="utf-8"
    )
    found = list(rules.stale_prose(rules.parsed(path)))
    assert [line.split(": ")[0] for line in found] == [f"{path}:3", f"{path}:5"]


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.sleep(1)",
        "import time as t\nt.monotonic()",
        "from time import sleep",
        "from time import monotonic as now",
        "def f(clock):\n    clock.sleep(0.5)",
    ],
)
def test_waiting_beside_the_waiter_is_refused(rules: ModuleType, source: str) -> None:
    found = list(rules.sleeps((Path("one.py"), ast.parse(source))))
    assert found
    assert all(one.startswith("one.py:") for one in found)


@pytest.mark.parametrize(
    "source",
    [
        "def f(plan: Plan): ...",
        "def f() -> Plan: ...",
        "def f(plan: Plan[Any]): ...",
        "class C(Operation): ...",
        "class C(Operation[Any]): ...",
        "class C:\n    step: Any",
        "class C:\n    steps: tuple[Any, ...]",
    ],
)
def test_a_plan_of_untyped_steps_is_refused(rules: ModuleType, source: str) -> None:
    [said] = rules.untyped_steps((Path("one.py"), ast.parse(source)))
    assert said.startswith("one.py:")


def test_typed_steps_and_the_one_waiter_pass(rules: ModuleType) -> None:
    source = "class C(Operation[One]):\n    def f(self, plan: Plan[One], step: One) -> Any:\n        time.time()"
    tree = (Path("one.py"), ast.parse(source))
    assert not [*rules.untyped_steps(tree), *rules.sleeps(tree)]
