"""Every code that the audit trail may hold has a text that people can read, in each language."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import handrail.plugin_core
import pytest
from handrail.plugin_core.keeping.actions import ACTIONS, did
from handrail.plugin_core.words import languages, speaking

CORE = Path(handrail.plugin_core.__file__).parent
RECORDERS = {("book", "record"): 2, ("engine", "record"): 1, ("_engine", "record"): 1, ("here", "note"): 0,
             ("here", "refused"): 0}  # fmt: skip
"""Calls that write a line, by the last two words of their name, and the place of the code among what they are given."""


class Module:
    """One module: which codes its own calls give, and which of its functions only hand a code on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text("utf-8"))
        self.handing_on: dict[str, int] = {}

    def codes(self) -> set[str]:
        """All codes that its calls may write; asks again until no further function hands one on."""
        while True:
            known, found = dict(self.handing_on), set[str]()
            for node in ast.walk(self.tree):
                if isinstance(node, ast.Call) and (place := self._place(node)) is not None:
                    given = next((k.value for k in node.keywords if k.arg == "action"), None)
                    found |= self._values(given or node.args[place], node)
            if known == self.handing_on:
                return found

    def _place(self, call: ast.Call) -> int | None:
        names = ast.unparse(call.func).split(".")
        if names[0] == "self" and len(names) == 2:
            return self.handing_on.get(names[1])
        return RECORDERS.get((names[-2], names[-1])) if len(names) > 1 else None

    def _values(self, value: ast.expr, call: ast.Call) -> set[str]:
        """What an expression may be: a word, one of two, an entry of a table, a name that stands for one of these."""
        match value:
            case ast.Constant(value=str(code)):
                return {code}
            case ast.IfExp(body=one, orelse=other):
                return self._values(one, call) | self._values(other, call)
            case ast.Dict(values=many):
                return {code for one in many for code in self._values(one, call)}
            case ast.Subscript(value=ast.Name() as table):
                return self._values(table, call)
            case ast.Name(id=name):
                return self._named(name, call)
        raise AssertionError(f"{self.path}:{call.lineno}: this test cannot tell which code is written there.")

    def _named(self, name: str, call: ast.Call) -> set[str]:
        around = [*self._around(call), self.tree]
        for place in around:
            if isinstance(place, ast.FunctionDef):
                given = [one.arg for one in place.args.args if one.arg != "self"]
                if name in given:
                    self.handing_on[place.name] = given.index(name)
                    return set()
            if values := [one.value for one in ast.walk(place) if isinstance(one, ast.Assign)
                          and any(isinstance(to, ast.Name) and to.id == name for to in one.targets)]:  # fmt: skip
                return {code for one in values for code in self._values(one, call)}
        raise AssertionError(f"{self.path}:{call.lineno}: nothing says what {name} is.")

    def _around(self, call: ast.Call) -> Iterator[ast.FunctionDef]:
        """The functions that a call stands in, the inmost first."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)
                 and node.lineno <= call.lineno <= (node.end_lineno or 0)]  # fmt: skip
        return iter(sorted(found, key=lambda node: -node.lineno))


@cache
def written() -> frozenset[str]:
    """Every code that the program writes of its own; `Wish.write` only hands on what was noted elsewhere."""
    found: set[str] = set()
    for path in sorted(CORE.rglob("*.py")):
        if path != CORE / "web" / "trail.py":
            module = Module(path)
            found |= module.codes()
            others = {name for name in module.handing_on if not name.startswith("_")} - {"record"}
            assert not others, f"{path}: calls of {others} from other modules are not looked at."
    return frozenset(found)


def test_every_code_that_is_written_has_its_words() -> None:
    """A code without words would stand in the trail of a German practice as English jargon; one too many is dead."""
    assert len(written()) > 80
    assert written() == set(ACTIONS)


@pytest.mark.parametrize("language", languages())
def test_no_two_codes_read_alike(language: str) -> None:
    """Who reads the words alone must be able to tell what was done from what was done otherwise."""
    with speaking(language):
        assert len({did(code) for code in ACTIONS}) == len(ACTIONS)


def test_german_words_are_german() -> None:
    """A text that was left out of the catalogue is shown in English, and nobody would notice."""
    with speaking("de"):
        assert did("client-viewed") == "Person angesehen"
        assert not [code for code in ACTIONS if did(code) == ACTIONS.source[code]]


def test_a_code_of_another_version_stands_as_it_is() -> None:
    """A trail outlives the version that wrote it; a fault there would hide all its lines."""
    assert did("something-of-tomorrow") == "something-of-tomorrow"
