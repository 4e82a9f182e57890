"""A small FHIR shelf for the push tests: it can lose answers, be slow to index, double, and be edited by a person."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .script import Answer, Seen, bundle, fhir

KINDS = ("Flag", "DetectedIssue", "Task", "Device", "Provenance")


@dataclass
class Shelf:
    """`put`, `conditional`: what the server says it can do. `lose` answers of the next writes are dropped after the
    work was done. `refuse` maps a kind to the status of its writes."""

    put: bool = False
    conditional: bool = False
    lose: int = 0
    ignores_filters: bool = False
    refuse: dict[str, list[int]] = field(default_factory=dict)
    kinds: tuple[str, ...] = KINDS
    patients: tuple[str, ...] = ("p1",)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0

    def __call__(self, seen: Seen) -> Answer:
        split = urlsplit(seen.path)
        path = split.path.removeprefix("/fhir/")
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        if path == "metadata":
            return fhir(self._statement())
        if seen.method == "GET":
            return self._search(path, query) if "/" not in path else self._read(path)
        return self._write(seen, path)

    def _statement(self) -> dict[str, Any]:
        codes = [{"code": c} for c in ("read", "search-type", "create", "update")]
        rows = [
            {
                "type": kind,
                "interaction": codes,
                "updateCreate": self.put,
                "conditionalCreate": self.conditional,
                "searchParam": [{"name": "identifier"}],
            }
            for kind in self.kinds
        ]
        return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": rows}]}

    def _search(self, kind: str, query: dict[str, str]) -> Answer:
        rows = [r for key, r in self.stored.items() if key.startswith(kind + "/")]
        if "identifier" in query and not self.ignores_filters:
            system, _, value = query["identifier"].partition("|")
            rows = [r for r in rows if {"system": system, "value": value} in r.get("identifier", [])]
        return fhir(bundle(*rows))

    def _read(self, path: str) -> Answer:
        if path.startswith("Patient/"):
            known = path.removeprefix("Patient/") in self.patients
            return fhir({"resourceType": "Patient", "id": "p1"}) if known else fhir({}, 404)
        found = self.stored.get(path)
        return fhir({}, 404) if found is None else fhir({}, 410) if "deleted" in found else fhir(found)

    def _write(self, seen: Seen, path: str) -> Answer:
        kind = path.partition("/")[0]
        self.writes.append((seen.method, path))
        if self.refuse.get(kind):
            status = self.refuse[kind].pop(0)
            if status:
                return fhir({"resourceType": "OperationOutcome"}, status, Retry_After="3")
        resource = json.loads(seen.body)
        status = 200
        if seen.method == "POST":
            condition = parse_qs(seen.headers.get("If-None-Exist", ""))
            if condition:
                system, _, value = condition["identifier"][0].partition("|")
                for one in self.stored.values():
                    if one["resourceType"] == kind and {"system": system, "value": value} in one.get("identifier", []):
                        return fhir(one)
            self.count += 1
            path, status = f"{kind}/s{self.count}", 201
        elif path not in self.stored:
            status = 201
        elif (wanted := seen.headers.get("If-Match")) and wanted != f'W/"{self.stored[path]["meta"]["versionId"]}"':
            return fhir({"resourceType": "OperationOutcome"}, 412)
        self.save(path, resource)
        if self.lose:
            self.lose -= 1
            return Answer(raw=lambda out: None)
        return fhir(self.stored[path], status)

    def save(self, path: str, resource: dict[str, Any]) -> None:
        """Stores with the next version, as a write or a person's edit does."""
        old = self.stored.get(path)
        version = int(old["meta"]["versionId"]) + 1 if old else 1
        meta = {"versionId": str(version), "lastUpdated": f"2026-11-22T12:00:{len(self.writes) % 60:02d}Z"}
        self.stored[path] = {**resource, "id": path.partition("/")[2], "meta": meta}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [r for key, r in self.stored.items() if key.startswith(kind + "/")]
