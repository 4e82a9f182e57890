"""The plan of the house, held by tests: directions, sizes, names. Reads the tree; needs no server."""

from __future__ import annotations

import ast
import configparser
import importlib
import inspect
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from handrail.plugin_core import hookspecs

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "plugin_core", "adapters")
MAY_IMPORT = {"schemas": {"schemas"}, "plugin_core": {"schemas", "plugin_core"}, "adapters": set(FOLDERS)}
INNER_ROOMS = ("scoring", "mapping", "rules", "store", "sync", "instruments")
OUTER_ROOMS = ("cli", "report")
SCREEN_LIBRARIES = {"click", "rich", "jinja2", "flask"}
ALEMBIC_RUNS_IT_AS_A_SCRIPT = "plugin_core/store/migrations/env.py"
WRITTEN_BY_ALEMBIC = "plugin_core/store/migrations/versions/"
MOST_LINES, MOST_FUNCTION = 500, 60


@dataclass(frozen=True)
class Import:
    """One import statement: where it stands and what it names, from the top (`plugin_core.store`, `click`)."""

    file: str
    line: int
    target: str
    relative: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def tracked() -> list[Path]:
    """The files of the repository, those not yet committed too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def modules(*folders: str) -> list[Path]:
    """Python files below folders of the top."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, source: str | None = None) -> Iterator[Import]:
    """Every import of a module, those inside functions too, resolved to names from the top."""
    parsed = tree(path) if source is None else ast.parse(source)
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name_of(path), node.lineno, alias.name, relative=False)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                target = f"{prefix}.{alias.name}" if prefix else alias.name
                yield Import(name_of(path), node.lineno, target, relative=node.level > 0)


def wrong_directions(path: Path, source: str | None = None) -> list[str]:
    """Imports that point the wrong way."""
    mine = path.relative_to(ROOT).parts[0]
    found = []
    for one in imports_of(path, source):
        target = one.target.removeprefix("handrail.").split(".")[0]
        if target in FOLDERS and target not in MAY_IMPORT[mine]:
            found.append(str(one))
    return found


# --- directions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", FOLDERS)
def test_directions(folder: str) -> None:
    """schemas <- plugin_core <- adapters: a core that knew an adapter could not be had without it."""
    assert [wrong for path in modules(folder) for wrong in wrong_directions(path)] == []


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("schemas/x.py", "from ..plugin_core import errors"),
        ("schemas/x.py", "from .. import plugin_core"),
        ("plugin_core/sync/x.py", "def f():\n    from ...adapters.fhir import spec"),
        ("plugin_core/x.py", "import handrail.adapters.fhir"),
        ("plugin_core/x.py", "from handrail import adapters"),
    ],
)
def test_the_check_of_directions_sees_each_way_of_writing(place: str, source: str) -> None:
    """Else it could pass for ever."""
    assert len(wrong_directions(ROOT / place, source)) == 1


def test_the_core_names_no_adapter() -> None:
    """Ours are found through the same entry points as a vendor's: not by a name in a string either."""
    named = re.compile(r"handrail\.adapters|(^|[./])adapters\.\w|import_module")
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in modules("plugin_core", "schemas")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and named.search(node.value)
    ]
    assert found == []


def test_inner_rooms_know_nothing_of_the_command_line() -> None:
    """Scoring, rules, store and sync run in a worker and in a vendor's program too."""
    found = []
    for path in modules(*(f"plugin_core/{room}" for room in INNER_ROOMS)):
        for one in imports_of(path):
            parts = one.target.split(".")
            outer = parts[0] == "plugin_core" and len(parts) > 1 and parts[1] in OUTER_ROOMS
            if outer or (not one.relative and parts[0] in SCREEN_LIBRARIES):
                found.append(str(one))
    assert found == []


def test_scoring_and_rules_know_no_store() -> None:
    """A rule is a function of a course; what it could read elsewhere it could hang on."""
    found = [
        str(one)
        for path in modules("plugin_core/scoring", "plugin_core/rules")
        for one in imports_of(path)
        if re.match(r"plugin_core\.(store|sync|settings|engine)\b|sqlalchemy|requests", one.target)
    ]
    assert found == []


def test_imports_inside_the_folders_are_relative() -> None:
    """The folders are mapped to other names when installed; tools that read paths follow relative imports."""
    found = [
        str(one)
        for path in modules(*FOLDERS)
        for one in imports_of(path)
        if not one.relative and one.target.split(".")[0] in ("handrail", *FOLDERS)
    ]
    by_alembic = (ALEMBIC_RUNS_IT_AS_A_SCRIPT, WRITTEN_BY_ALEMBIC)  # it loads them by their paths, without a package
    assert [one for one in found if not one.startswith(by_alembic)] == []


# --- packages --------------------------------------------------------------------------------------------------------


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_setup_lists_every_package_and_no_other() -> None:
    """A folder left out is missing only where somebody installed."""
    listed = set(config()["options"]["packages"].split())
    folders = {
        "handrail." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert listed == folders


def test_every_folder_with_modules_is_a_package() -> None:
    """A module in a folder without `__init__.py` would not be installed."""
    lonely = {name_of(path.parent) for path in modules(*FOLDERS) if not (path.parent / "__init__.py").exists()}
    assert lonely == set()


def test_entry_points_lead_somewhere() -> None:
    """Handrail's own plugins load through the public group."""
    for group in config()["options.entry_points"].values():
        for line in group.strip().splitlines():
            module, _, attribute = line.split("=")[1].strip().partition(":")
            loaded = importlib.import_module(module)
            assert not attribute or callable(getattr(loaded, attribute)), line


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "handrail." + ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", [path for path in modules(*FOLDERS) if path.name != "env.py"], ids=name_of)
def test_every_module_imports_and_has_what_it_says(path: Path) -> None:
    """A name in `__all__` that is not there breaks `import *` and misleads readers."""
    module = importlib.import_module(dotted(path))
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name), name


# --- sizes and words -------------------------------------------------------------------------------------------------


def code() -> list[Path]:
    """All Python that people write here."""
    return [path for path in tracked() if path.suffix == ".py"]


def test_every_module_says_what_it_is_for() -> None:
    """The first lines of a file are what its next reader sees."""
    silent = [name_of(path) for path in code() if tree(path).body and not ast.get_docstring(tree(path))]
    assert silent == []


def test_no_function_is_longer_than_a_screen() -> None:
    """Sixty lines at most; forty is the aim."""
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in code()
        if not name_of(path).startswith(WRITTEN_BY_ALEMBIC)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MOST_FUNCTION
    ]
    assert long == []


def test_no_file_is_longer_than_a_sitting() -> None:
    """Five hundred lines at most."""
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in code()}
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}


def test_no_machines_own_path_is_in_the_tree() -> None:
    """A path of the computer that something was written on works nowhere else."""
    own = re.compile("(?<![\\w.])/(?:" + "|".join(["work", "root"]) + ")/")
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name_of(path)}:{number}" for number, line in enumerate(text.splitlines(), 1) if own.search(line)]
    assert found == []


# --- hooks -----------------------------------------------------------------------------------------------------------

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "handrail_spec")]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_in_the_page_with_its_exact_signature(hook: str) -> None:
    """The page is what vendors write against."""
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"\n### `{hook}{signature}`\n" in page
    assert f"\n| `{hook}` |" in page


def test_the_page_has_no_hook_that_is_gone() -> None:
    """What was removed must not be promised."""
    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    assert re.findall(r"^### `(\w+)\(", page, re.MULTILINE) == HOOKS, "and in the order of hookspecs.py"


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test_of_its_own(hook: str) -> None:
    """Found by name, so that a new hook without one is seen at once."""
    names = {
        node.name for path in modules("tests") for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)
    }
    assert f"test_hook_{hook}" in names


@pytest.mark.parametrize("hook", HOOKS)
def test_every_spec_is_typed_and_told(hook: str) -> None:
    """Argument by argument."""
    spec = getattr(hookspecs, hook)
    signature = inspect.signature(spec)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(argument.annotation is not inspect.Parameter.empty for argument in signature.parameters.values())
    assert len((spec.__doc__ or "").splitlines()) > 3
