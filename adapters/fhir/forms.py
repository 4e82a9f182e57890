"""Lists the platform's Questionnaires with their options and weights, as a mapping is proposed from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteQuestion
from ...plugin_core.errors import Denied, Unreachable
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ..http import Refused
from .server import Server, query
from .weights import concepts, systems, weight_of_option

PURPOSE = mark("read its questionnaires (Questionnaire)")
ASKING = ("choice", "open-choice", "integer", "decimal", "quantity", "boolean", "string", "text")
PAGE = 100

Concepts = dict[str, tuple[str | None, float | None]]


def forms(server: Server) -> Iterator[RemoteForm]:
    """Every Questionnaire of the platform that has a name to refer to it by."""
    sets: dict[str, Concepts] = {}
    for resource in server.search("Questionnaire", query(_count=PAGE), PURPOSE):
        form = form_of(resource, server.base.text, lambda address: _looked_up(server, address, sets))
        if form is not None:
            yield form


def form_of(resource: Json, local: str, look_up: Callable[[str], Concepts]) -> RemoteForm | None:
    """One Questionnaire in the core's words. `look_up` gives the codes of a value set by its address."""
    url, remote_id = _text(resource.get("url")), _text(resource.get("id"))
    name = url or (f"{local}/Questionnaire/{remote_id}" if remote_id else None)
    if name is None:
        return None
    contained = {f"#{c.get('id')}": c for c in _objects(resource.get("contained"))}

    def set_of(address: str) -> Concepts:
        return concepts(contained[address]) if address in contained else look_up(address)

    questions = tuple(_questions(resource, set_of))
    title = _text(resource.get("title")) or _text(resource.get("name")) or name
    return RemoteForm(name.partition("|")[0], _text(resource.get("version")), title, questions)


def _questions(resource: Json, set_of: Callable[[str], Concepts]) -> Iterator[RemoteQuestion]:
    stack = list(reversed(_objects(resource.get("item"))))
    while stack:
        item = stack.pop()
        link = _text(item.get("linkId"))
        if link and item.get("type") in ASKING:
            yield RemoteQuestion(link, _text(item.get("text")) or "", tuple(_options(item, set_of)), _codings(item))
        stack.extend(reversed(_objects(item.get("item"))))


def _options(item: Json, set_of: Callable[[str], Concepts]) -> Iterator[RemoteAnswer]:
    for option in _objects(item.get("answerOption")):
        coding, number, text = option.get("valueCoding"), option.get("valueInteger"), option.get("valueString")
        weight = weight_of_option(option)
        if isinstance(coding, dict):
            yield RemoteAnswer(_text(coding.get("code")), _text(coding.get("display")), None, weight)
        elif isinstance(number, int) and not isinstance(number, bool) and abs(number) < 2**31:
            yield RemoteAnswer(label=str(number), number=float(number), weight=weight)
        elif isinstance(text, str):
            yield RemoteAnswer(label=text, weight=weight)
    address = _text(item.get("answerValueSet"))
    if address and not item.get("answerOption"):
        for code, (label, weight) in set_of(address).items():
            yield RemoteAnswer(code, label, None, weight)


def _looked_up(server: Server, address: str, known: dict[str, Concepts]) -> Concepts:
    """The codes of a value set on the server, with weights from the code systems behind it where it has none itself.

    Empty where the server does not have or does not give it: the options then have no weights, and a person is asked.
    """
    if address not in known:
        known[address] = {}
        try:
            known[address] = _value_set(server, address)
        except (Refused, Denied):
            known[address] = {}
        except Unreachable:
            del known[address]
            raise
    return known[address]


def _value_set(server: Server, address: str) -> Concepts:
    found: Concepts = {}
    for value_set in _by_url(server, "ValueSet", address):
        found = concepts(value_set)
        for system in systems(value_set) or _systems_of(value_set):
            for code_system in _by_url(server, "CodeSystem", system):
                behind = concepts(code_system)
                found = found or behind
                found = {code: _joined(row, behind.get(code)) for code, row in found.items()}
    return found


def _joined(
    row: tuple[str | None, float | None], other: tuple[str | None, float | None] | None
) -> tuple[str | None, float | None]:
    if other is None:
        return row
    return (row[0] if row[0] is not None else other[0], row[1] if row[1] is not None else other[1])


def _systems_of(value_set: Json) -> tuple[str, ...]:
    compose = value_set.get("compose")
    parts = _objects(compose.get("include")) if isinstance(compose, dict) else []
    return tuple(part["system"] for part in parts if isinstance(part.get("system"), str))


def _by_url(server: Server, kind: str, address: str) -> Iterator[Json]:
    plain = address.partition("|")[0]
    for resource in server.search(kind, query(url=plain), tr("read its answer lists ({kind})", kind=kind)):
        if resource.get("url") == plain:  # a server may ignore the filter
            yield resource
            return


def _codings(item: Json) -> tuple[tuple[str, str], ...]:
    rows = ((code.get("system"), code.get("code")) for code in _objects(item.get("code")))
    return tuple((system, code) for system, code in rows if isinstance(system, str) and isinstance(code, str))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
