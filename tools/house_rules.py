# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of this collection that no linter has: prints each breach, and fails if there is one.

- a function of plugins/ is at most 40 lines long, a module's main() at most 15 statements, without a branch;
- fail_json and exit_json are called in module_utils/_module alone; ruff sees to blanket catches;
- the action group `engine` holds exactly the modules that take the connection options;
- files are opened by flags, owners are judged, mounts are read and programs are found in the files of ``ALONE`` alone;
- no two classes of plugins/ share a name, but for those that Ansible prescribes;
- every Plan and Operation of plugins/ names the kinds of its steps, and no step is Any;
- time passes in the files named in SLEEPERS alone, and time is measured by _clock.py alone;
- no file in plugins/ or tests/ uses a mock library;
- of urllib, core uses urllib.parse alone (import-linter knows packages of others only as a whole);
- every test file lies where pytest looks, and so in a session of noxfile.py;
- docstrings have Google's sections, and no field or role of Sphinx; Args and Attributes name what exists;
- the docstring of a function in module_utils or plugin_utils begins with a verb;
- no phrase of PHRASES is in the files of PLAIN, nor in docstrings and comments of tests and tools.
"""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "plugins"
CORE = PLUGINS / "module_utils/_core"
EDGE = PLUGINS / "module_utils/_module"
FUNCTION_LINES = 40
MAIN_STATEMENTS = 15
MODULE_UTILS = PLUGINS / "module_utils"
SLEEPERS = {
    MODULE_UTILS / "_clock.py",
    MODULE_UTILS / "_core/common/waiting.py",
    # Lets udev's services come to an end, of which nothing tells.
    MODULE_UTILS / "_appliance/isolation/isolation_proof.py",
}
GENERIC = {"Plan", "Operation", "EngineOperation", "Job"}
PRESCRIBED = {"ActionModule", "FilterModule", "LookupModule", "ModuleDocFragment"}
AUTH_FRAGMENT = "ovirt_community.backup.engine"
PHRASES = (
    "anew",
    "any more",
    "as good as",
    "at the most",
    "be rid of",
    "container disk",
    "for sure",
    "half-made",
    "he",
    "him",
    "himself",
    "his",
    "in our words",
    "in spite of",
    "in vain",
    "let go of",
    "lets go of",
    "none such",
    "nowhere",
    "somebody",
    "stand in the way",
    "stands against",
    "stands in the way",
    "taken back",
    "takes back",
    "takes its time",
    "tells of",
    "under way",
    "whom",
    "with our words",
    "without a word",
    "write down",
)
"""What plain English says otherwise. Add a phrase as soon as its last use is gone."""
STALE = re.compile(rf"\b({'|'.join(map(re.escape, PHRASES))})\b", re.IGNORECASE)
PLAIN = (
    "README.md",
    "docs/*.md",
    "playbooks/**/*.yml",
    "plugins/**/*.py",
    "roles/**/*.j2",
    "roles/**/*.md",
    "roles/**/*.yml",
)
"""What is written in plain English."""
CITED = {"docs/engine.md", "docs/errors.md", "docs/limits.md"}
"""Pages that quote the engine or are drawn from the code: their words are held where they are written."""
SPHINX = re.compile(
    r"^\s*:(?:param|parameter|arg|type|raises?|except|returns?|rtype|yields?|i?var|cvar|meta)\b[^:\n]*:"
    r"|:[a-z][a-z:]*:`",
    re.MULTILINE,
)
"""A field (``param``) or a role (``func``) of Sphinx."""
NO_VERBS = frozenset(
    {
        *("a", "all", "an", "as", "both", "by", "each", "every", "how", "if", "in", "it", "no"),
        *("nothing", "of", "one", "only", "the", "there", "what", "when", "where", "whether"),
        *("which", "who", "whose", "why", "with"),
    }
)
"""First words of a docstring that describes a function without saying what it does."""
DESCRIBED = re.compile(r"^(?:Args|Attributes):\n((?:(?: {4}.*)?\n?)+)", re.MULTILINE)
"""The section that describes arguments or attributes."""
MACHINE = PLUGINS / "module_utils/_appliance/machine"
ALONE = {
    "os.open": [MACHINE / "opening.py"],
    "os.O_NOFOLLOW": [MACHINE / "opening.py"],
    "os.O_DIRECTORY": [MACHINE / "opening.py"],
    "os.O_CREAT": [MACHINE / "opening.py"],
    "shutil.which": [MACHINE / "programs.py"],
    "os.makedirs": [MACHINE / "private.py"],
    "*.mountinfo": [MACHINE.parent / "devices/mounts.py"],
    "*.swaps": [MACHINE.parent / "devices/mounts.py"],
    # The preflight asks whether it runs as root.
    "os.geteuid": [MACHINE / "private.py", MACHINE.parent / "setup/appliance_preflight.py"],
}
"""What only these files may use: whatever has to be safe is made safe there, once."""

Tree = tuple[pathlib.Path, ast.Module]


def parsed(path: pathlib.Path) -> Tree:
    """Return a Python file with its syntax tree."""
    return path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def trees(directory: pathlib.Path) -> Iterator[Tree]:
    """Yield every Python file below a directory, parsed."""
    for path in sorted(directory.rglob("*.py")):
        yield parsed(path)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of a file."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def long_functions(tree: Tree) -> Iterator[str]:
    """Find functions that are too long."""
    path, module = tree
    for node in functions(module):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            yield f"{path}:{node.lineno}: {node.name} has {lines} lines, more than {FUNCTION_LINES}"


def fat_mains(tree: Tree) -> Iterator[str]:
    """Find modules whose main() decides something."""
    path, module = tree
    if path.parent != PLUGINS / "modules":
        return
    for node in functions(module):
        if node.name == "main":
            statements = [inner for inner in ast.walk(node) if isinstance(inner, ast.stmt)]
            if len(statements) - 1 > MAIN_STATEMENTS:
                yield f"{path}:{node.lineno}: main() has more than {MAIN_STATEMENTS} statements"
            if any(isinstance(inner, (ast.If, ast.For, ast.While)) for inner in statements):
                yield f"{path}:{node.lineno}: main() decides or repeats; that belongs below"


def misplaced_edge(tree: Tree) -> Iterator[str]:
    """Find calls that end a module outside the edge."""
    path, module = tree
    if path.is_relative_to(EDGE):
        return
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and node.attr in ("fail_json", "exit_json"):
            yield f"{path}:{node.lineno}: {node.attr} outside {EDGE.relative_to(ROOT)}"


def unsafe_uses(tree: Tree) -> Iterator[str]:
    """Find uses of what only other files may use."""
    path, module = tree
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            homes = ALONE.get(name) or ALONE.get(f"*.{node.attr}") or [path]
            if path not in homes:
                yield f"{path}:{node.lineno}: {name} outside {homes[0]}"


def shared_class_names(files: list[Tree]) -> Iterator[str]:
    """Find classes with the same name; a leading underscore makes no difference."""
    places: dict[str, list[str]] = {}
    for path, module in files:
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef) and node.name not in PRESCRIBED:
                places.setdefault(node.name.lstrip("_"), []).append(f"{path}:{node.lineno}")
    for name, found in places.items():
        if len(found) > 1:
            yield f"{', '.join(found)}: {name} names {len(found)} classes"


def sleeps(tree: Tree) -> Iterator[str]:
    """Yield what sleeps or reads the monotonic clock outside the named files."""
    path, module = tree
    for node in ast.walk(module):
        if not isinstance(node, ast.Attribute):
            continue
        if node.attr == "sleep" and path not in SLEEPERS:
            yield f"{path}:{node.lineno}: sleep: wait with a Deadline (_core/common/waiting.py)"
        if node.attr == "monotonic" and path != MODULE_UTILS / "_clock.py":
            yield f"{path}:{node.lineno}: monotonic: ask a Clock (_clock.py)"
    for name in imports(module):
        if name in ("time.sleep", "time.monotonic") and path not in SLEEPERS:
            yield f"{path}: imports {name}: use a Clock (_clock.py)"


def stated_types(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield each annotation and base class of a file, with the name that has it."""
    for node in ast.walk(module):
        if isinstance(node, ast.arg) and node.annotation:
            yield node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target), node.annotation
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
            yield node.name, node.returns
        elif isinstance(node, ast.ClassDef):
            yield from ((node.name, base) for base in node.bases)


def is_any(node: ast.expr) -> bool:
    """Return whether a type contains Any."""
    return any(isinstance(inner, ast.Name) and inner.id == "Any" for inner in ast.walk(node))


def untyped_steps(tree: Tree) -> Iterator[str]:
    """Yield plans and operations that do not name their kinds of steps, and steps of type Any.

    Only the edge may name an operation of Any: it runs every operation.
    """
    path, module = tree
    for name, said in stated_types(module):
        subscripts = [node for node in ast.walk(said) if isinstance(node, ast.Subscript)]
        typed = {node.value for node in subscripts}
        for node in ast.walk(said):
            if isinstance(node, ast.Name) and node.id in GENERIC and node not in typed:
                yield f"{path}:{node.lineno}: {node.id} without the kinds of its steps"
        for one in subscripts:
            generic = ast.unparse(one.value) in GENERIC
            if generic and is_any(one) and not path.is_relative_to(EDGE):
                yield f"{path}:{one.lineno}: {ast.unparse(one)}: name the kinds of steps"
        if name in ("step", "steps") and is_any(said):
            yield f"{path}:{said.lineno}: {name} of type {ast.unparse(said)}: name the kinds of steps"


def imports(module: ast.Module) -> Iterator[str]:
    """Yield the dotted names of everything that a file imports."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def mocks(tree: Tree) -> Iterator[str]:
    """Find imports of a mock library."""
    path, module = tree
    for name in imports(module):
        if re.search(r"\bmock\b|pytest_mock", name):
            yield f"{path}: imports {name}: the lab is the fake here"


def sphinx(tree: Tree) -> Iterator[str]:
    """Find docstrings, also those of attributes, in the style of Sphinx."""
    path, module = tree
    for node in ast.walk(module):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                for found in SPHINX.finditer(text):
                    word = found.group().strip()
                    yield f"{path}:{node.lineno}: {word} is of Sphinx: use Args, Returns, Raises"


def verbless(tree: Tree) -> Iterator[str]:
    """Find functions whose docstring does not begin with a verb. Properties are described by a noun."""
    path, module = tree
    if path.parent.name != "plugin_utils" and not path.is_relative_to(PLUGINS / "module_utils"):
        return
    for node in functions(module):
        text = ast.get_docstring(node)
        if text and not any("property" in ast.unparse(one) for one in node.decorator_list):
            first = text.split()[0]
            if first.startswith("`") or first.lower() in NO_VERBS:
                yield f"{path}:{node.lineno}: {node.name}: begin with a verb, not with {first!r}"


def names_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[str]:
    """Return the arguments of a function, or the fields of a class and the arguments of its __init__."""
    if isinstance(node, ast.ClassDef):
        fields = {ast.unparse(one.target) for one in node.body if isinstance(one, ast.AnnAssign)}
        own = (one for one in node.body if isinstance(one, ast.FunctionDef))
        return fields.union(*(names_of(one) for one in own if one.name == "__init__"))
    return {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}


def stale_sections(tree: Tree) -> Iterator[str]:
    """Find arguments and attributes that a docstring describes and that do not exist."""
    path, module = tree
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for section in DESCRIBED.findall(ast.get_docstring(node) or ""):
                described = re.findall(r"^ {4}\**(\w+):", section, re.MULTILINE)
                for name in set(described) - names_of(node):
                    yield f"{path}:{node.lineno}: {node.name} describes {name}, which does not exist"


def connecting_core(tree: Tree) -> Iterator[str]:
    """Find imports in core that could open a URL."""
    path, module = tree
    for name in imports(module):
        if path.is_relative_to(CORE) and name.startswith("urllib") and "urllib.parse" not in name:
            yield f"{path}: imports {name}: core may only take URLs apart"


def homeless_tests() -> Iterator[str]:
    """Find test files that no session runs."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    homes = [ROOT / home for home in settings["tool"]["pytest"]["ini_options"]["testpaths"]]
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if not any(path.is_relative_to(home) for home in homes):
            yield f"{path}: outside pytest's testpaths: no session runs it"


def fragments(path: pathlib.Path) -> list[str]:
    """Return the documentation fragments that a module extends."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
            documentation = yaml.safe_load(ast.literal_eval(node.value))
            return list(documentation.get("extends_documentation_fragment") or [])
    return []


def action_group() -> Iterator[str]:
    """Find differences between the action group and the modules that take the connection options."""
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    listed = set(runtime["action_groups"]["engine"])
    paths = sorted((PLUGINS / "modules").glob("*.py"))
    taking = {path.stem for path in paths if AUTH_FRAGMENT in fragments(path)}
    for name in sorted(listed - taking):
        yield f"meta/runtime.yml: {name} is in the group, but extends no {AUTH_FRAGMENT}"
    for name in sorted(taking - listed):
        yield f"meta/runtime.yml: {name} extends {AUTH_FRAGMENT}, but is not in the group"


def prose(tree: Tree) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file's docstrings and comments, with their numbers."""
    path, module = tree
    for node in ast.walk(module):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield from enumerate(text.splitlines(), node.lineno)
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def stale_prose(tree: Tree) -> Iterator[str]:
    """Find phrases that came back in docstrings and comments."""
    for number, line in prose(tree):
        for found in STALE.findall(line):
            yield f"{tree[0]}:{number}: {found!r} is not plain English: say it another way"


def stale_phrases() -> Iterator[str]:
    """Find phrases that came back in texts."""
    for path in sorted({path for pattern in PLAIN for path in ROOT.glob(pattern)}):
        if str(path.relative_to(ROOT)) in CITED:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for found in STALE.findall(line):
                yield f"{path}:{number}: {found!r} is not plain English: say it another way"


def breaches() -> Iterator[str]:
    """Yield everything that breaks a rule."""
    for tree in trees(PLUGINS):
        yield from long_functions(tree)
        yield from fat_mains(tree)
        yield from misplaced_edge(tree)
        yield from unsafe_uses(tree)
        yield from mocks(tree)
        yield from connecting_core(tree)
        yield from verbless(tree)
        yield from sphinx(tree)
        yield from stale_sections(tree)
        yield from sleeps(tree)
        yield from untyped_steps(tree)
    for tree in trees(ROOT / "tests"):
        yield from mocks(tree)
    for tree in (*trees(ROOT / "tests"), *trees(ROOT / "tools"), parsed(ROOT / "noxfile.py")):
        yield from sphinx(tree)
        yield from stale_sections(tree)
        yield from stale_prose(tree)
    yield from shared_class_names(list(trees(PLUGINS)))
    yield from action_group()
    yield from homeless_tests()
    yield from stale_phrases()


def main() -> int:
    """Print the breaches."""
    found = [line.replace(f"{ROOT}/", "") for line in breaches()]
    print("\n".join(found) or "house rules: kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
