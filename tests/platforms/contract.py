"""Holds what an adapter asks, and what a double answers, to the vendor's own machine-readable contract.

The contracts are read from HANDRAIL_SPECS (default `../shared/specs`), never copied here; a test whose
contract is absent is skipped with that reason. Where a file is broken or lags behind the vendor's documentation, an
`Exempt` says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode

import pytest
from handrail.plugin_core.testing import Exchange, Reply, Request

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Exempt:
    """A place where the contract is not followed on purpose.

    `where` is the operation as the contract writes it ("GET /clients/{id}"; "" is anywhere), `what` a part of the
    complaint, `why` the reason with its source.
    """

    where: str
    what: str
    why: str


def specs() -> Path:
    """The folder with the contracts."""
    return Path(os.environ.get("HANDRAIL_SPECS") or ROOT.parent / "shared" / "specs")


def _file(name: str) -> Path:
    place = specs() / name
    if not place.is_file():
        _absent(name)
    return place


def _absent(name: str) -> NoReturn:
    pytest.skip(f"NOT RUN: the contract {name} is not in the folder that HANDRAIL_SPECS names")


@dataclass(slots=True)
class Contract:
    """A vendor's contract. `ensure(double.seen)` is what a test calls."""

    exempt: Sequence[Exempt] = ()
    used: set[Exempt] = field(default_factory=set)

    @staticmethod
    def openapi(name: str, *, below: str = "", exempt: Sequence[Exempt] = (), closed: bool = True) -> OpenApi:
        """An OpenAPI file. `below` is the path of the double under which the contract's paths lie (`/v1`); `closed`: a
        property that the contract does not name is a fault, as it is most often a slip."""
        return OpenApi(exempt, document=_document(str(_file(name))), below=below, closed=closed)

    @staticmethod
    def graphql(name: str, *, path: str = "/graphql", exempt: Sequence[Exempt] = ()) -> GraphQl:
        """An SDL file, for requests to `path`."""
        return GraphQl(exempt, schema=_schema(str(_file(name))), path=path)

    def complaints(self, exchange: Exchange) -> Iterable[tuple[str, str]]:
        """(operation, what is wrong) of one exchange."""
        raise NotImplementedError

    def ensure(self, seen: Iterable[Exchange], *, least: int = 1) -> None:
        """Fails with all complaints; also where fewer than `least` exchanges came to be checked."""
        wrong: dict[str, None] = {}
        checked = 0
        for exchange in seen:
            checked += 1
            for where, what in self.complaints(exchange):
                excuse = next((e for e in self.exempt if e.where in ("", where) and e.what in what), None)
                if excuse is None:
                    wrong[f"{where}: {what}"] = None
                else:
                    self.used.add(excuse)
        assert checked >= least, f"only {checked} exchanges were checked against the contract"
        assert not wrong, "against the contract:\n" + "\n".join(wrong)


# --- OpenAPI ----------------------------------------------------------------------------------------------------------


@cache
def _document(place: str) -> dict[str, Any]:
    """The file as JSON has it: YAML reads status codes as numbers and days as dates."""
    import yaml

    text = Path(place).read_text(encoding="utf-8")
    data = (
        json.loads(text) if place.endswith(".json") else yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    )
    read: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return read


@dataclass(slots=True)
class OpenApi(Contract):
    """Requests and answers by an OpenAPI document; credentials are the double's to check."""

    document: dict[str, Any] = field(default_factory=dict)
    below: str = ""
    closed: bool = True
    _api: Any = None

    def _validator(self) -> Any:
        if self._api is None:
            from openapi_core import Config, OpenAPI

            document = {**self.document, "servers": [{"url": f"http://double{self.below}"}], "security": []}
            document["paths"] = {path: _bare(item) for path, item in self.document["paths"].items()}
            config = Config(
                spec_validator_cls=None,  # type: ignore[arg-type]  # none: some vendors' files are broken elsewhere
                additional_properties_default_policy="forbid" if self.closed else "allow",
            )
            self._api = OpenAPI.from_dict(document, config=config)
        return self._api

    def complaints(self, exchange: Exchange) -> Iterable[tuple[str, str]]:
        """See `Contract.complaints`."""
        from openapi_core.exceptions import OpenAPIError
        from openapi_core.templating.responses.exceptions import ResponseFinderError

        request = exchange.request
        path, operation = self._operation(request)
        if operation is None:
            yield f"{request.method} {request.path}", "the contract has no such operation"
            return
        where = f"{request.method} {path}"
        yield from ((where, f"the contract knows no query {name}") for name in self._strange(request, path, operation))
        asked = _Asked(request)
        try:
            self._validator().validate_request(asked)
        except OpenAPIError as error:
            yield where, f"request: {_told(error)}"
        if exchange.planted or exchange.reply.drop:
            return
        try:
            self._validator().validate_response(asked, _Given(exchange.reply))
        except ResponseFinderError as error:
            if exchange.reply.status < 400:
                yield where, f"answer: {_told(error)}"
        except OpenAPIError as error:
            yield where, f"answer {exchange.reply.status}: {_told(error)}"

    def _operation(self, request: Request) -> tuple[str, Mapping[str, Any] | None]:
        """The operation that a path is, fixed parts before placeholders."""
        own = request.path.removeprefix(self.below)
        found = [path for path in self.document["paths"] if _pattern(path).fullmatch(own)]
        for path in sorted(found, key=lambda one: (one.count("{"), one)):
            operation = self.document["paths"][path].get(request.method.lower())
            if operation is not None:
                return path, operation
        return own, None

    def _strange(self, request: Request, path: str, operation: Mapping[str, Any]) -> list[str]:
        known = set()
        for parameter in [*self.document["paths"][path].get("parameters", []), *operation.get("parameters", [])]:
            while "$ref" in parameter:
                parameter = _at(self.document, parameter["$ref"])
            if parameter["in"] == "query":
                known.add(parameter["name"])
        return sorted({name for name, _ in request.query} - known)


def _bare(item: Mapping[str, Any]) -> dict[str, Any]:
    """A path's operations without servers and security of their own."""
    kept = {name: value for name, value in item.items() if name != "servers"}
    return {
        name: {k: v for k, v in value.items() if k not in ("servers", "security")} if isinstance(value, dict) else value
        for name, value in kept.items()
    }


def _at(document: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return dict(found)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]*\})", path))
    )


def _told(error: Exception) -> str:
    """The complaint with what lies under it."""
    told = [str(error)]
    below: Any = error.__cause__
    while below is not None:
        told += [str(below)]
        told += [
            f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in getattr(below, "schema_errors", ())
        ]
        below = below.__cause__
    return "; ".join(dict.fromkeys(told))


class _Asked:
    """A request as openapi-core wants it."""

    def __init__(self, request: Request) -> None:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        self.host_url = "http://double"
        self.path = request.path
        self.method = request.method.lower()
        self.content_type = request.headers.get("content-type", "application/json").lower()
        self.body = request.body or None
        query = ImmutableMultiDict(request.query)
        self.parameters = RequestParameters(query=query, header=Headers(dict(request.headers)))
        self.full_url_pattern = f"{self.host_url}{request.path}?{urlencode(request.query)}"


class _Given:
    """An answer as openapi-core wants it."""

    def __init__(self, reply: Reply) -> None:
        from werkzeug.datastructures import Headers

        self.status_code = reply.status
        self.headers = Headers(dict(reply.headers))
        self.content_type = str(reply.headers.get("Content-Type", "application/json")).lower()
        self.data = reply.content() or None


# --- GraphQL ----------------------------------------------------------------------------------------------------------


@cache
def _schema(place: str) -> Any:
    from graphql import build_schema

    return build_schema(Path(place).read_text(encoding="utf-8"))


@dataclass(slots=True)
class GraphQl(Contract):
    """Queries by the vendor's SDL: they validate, their variables fit, and the double's answer is what the schema gives
    for that query: each field of its type, none too many."""

    schema: Any = None
    path: str = "/graphql"

    def complaints(self, exchange: Exchange) -> Iterable[tuple[str, str]]:
        """See `Contract.complaints`."""
        from graphql import GraphQLError, get_operation_ast, parse, validate
        from graphql.execution.values import get_variable_values

        request = exchange.request
        where = f"{request.method} {request.path}"
        if request.path != self.path:
            yield where, "the contract is for another path"
            return
        asked = request.json()
        try:
            document = parse(asked["query"])
        except (GraphQLError, KeyError, TypeError) as error:
            yield where, f"no query: {error}"
            return
        operation = get_operation_ast(document, asked.get("operationName"))
        name = operation.name.value if operation and operation.name else "?"
        where = f"{operation.operation.value if operation else '?'} {name}"
        yield from ((where, error.message) for error in validate(self.schema, document))
        given = asked.get("variables") or {}
        fits = get_variable_values(self.schema, (operation.variable_definitions if operation else None) or (), given)
        if isinstance(fits, list):
            yield from ((where, f"variables: {error.message}") for error in fits)
            return
        known = {one.variable.name.value for one in (operation.variable_definitions if operation else None) or ()}
        yield from ((where, f"no such variable: {one}") for one in sorted(set(given) - known))
        if not exchange.planted and not exchange.reply.drop and exchange.reply.status == 200:
            yield from ((where, what) for what in self._answer(document, given, exchange.reply))

    def _answer(self, document: Any, given: Mapping[str, Any], reply: Reply) -> Iterable[str]:
        from graphql import execute_sync

        answer = reply.data
        data = answer.get("data") if isinstance(answer, dict) else None
        if data is None:
            if not (isinstance(answer, dict) and answer.get("errors")):
                yield "answer: neither data nor errors"
            return

        def value(source: Any, info: Any, **_: Any) -> Any:
            return source.get(info.path.key) if isinstance(source, dict) else None

        done = execute_sync(
            self.schema,
            document,
            root_value=data,
            variable_values=dict(given),
            field_resolver=value,
            type_resolver=lambda found, *_: found.get("__typename"),
        )
        yield from (f"answer: {error.message} at {error.path}" for error in done.errors or ())
        if not done.errors and done.data != data:
            yield "answer: it holds fields that were not asked for, lacks some, or has values of another type"
