"""Reads what a sync left behind: the store in clear, with names instead of keyed hashes, and the flags on a platform.

Two stores never have the same keys (each is sealed with its own), so everything here is named by what it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import requests
from handrail.adapters.fhir.carriers import KEY_SYSTEM
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.store import book, forms
from handrail.plugin_core.store.flags import holds_of, read
from handrail.plugin_core.store.outgoing import deliveries_of
from handrail.schemas.vocab import FlagState
from sqlalchemy import text

PUSHED = ("Flag", "DetectedIssue", "Task")


@dataclass(frozen=True)
class Place:
    """A FHIR server to be read by hand."""

    base: str
    token: str | None

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Every resource of a kind, over all pages."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url: str | None = f"{self.base}/{kind}?_count=200"
        found: list[dict[str, Any]] = []
        while url:
            page = requests.get(url, headers=headers, timeout=10).json()
            found += [entry["resource"] for entry in page.get("entry", []) if entry["resource"]["resourceType"] == kind]
            url = next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), None)
        return found


@dataclass
class Seen:
    """A store in clear. `names` maps flag keys to what they are about; it takes no part in comparisons."""

    responses: list[tuple[Any, ...]]
    clients: list[tuple[Any, ...]]
    flags: list[tuple[Any, ...]]
    deliveries: list[tuple[Any, ...]]
    quarantine: list[tuple[Any, ...]]
    history: list[tuple[Any, ...]]
    cursors: list[tuple[Any, ...]]
    names: dict[str, tuple[str, str, str]] = field(compare=False)

    def flag(self, client: str, rule: str) -> list[tuple[Any, ...]]:
        """(opening form, state, shown) of one client's flags of a rule, in order of the opening."""
        return [
            (opening, state, shown)
            for who, what, opening, state, shown, *_ in self.flags
            if (who, what) == (client, rule)
        ]

    def differs(self, other: Seen) -> dict[str, tuple[list[Any], list[Any]]]:
        """What this store has and the other has not, and the other way round, by table."""
        found = {}
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            if one.compare and mine != theirs:
                found[one.name] = ([x for x in mine if x not in theirs], [x for x in theirs if x not in mine])
        return found

    def standing(self) -> list[str]:
        """Client and rule of each flag that stands, in order."""
        return sorted(f"{who} {rule}" for who, rule, _, state, *_ in self.flags if state in ("raised", "acknowledged"))

    def active(self) -> list[str]:
        """Ids of the forms that count."""
        return sorted(row[0] for row in self.responses if row[4])


def seen(engine: Engine) -> Seen:
    """Everything that a store holds of one source, decoded."""
    with engine.store.reading(engine.source) as tx:
        people = forms.read_clients(tx)
        who = {key: person.ref.rpartition("/")[2] for key, person in people.items()}
        rows = tx.conn.execute(text("SELECT * FROM responses WHERE source = :s"), {"s": tx.source}).all()
        stored = {row.key: (row, forms.unseal(tx, row.key, row.sealed)) for row in rows}
        remote = {key: one.id for key, (_, one) in stored.items()}
        flags = read(tx, states=[state.value for state in FlagState])
        opening = {flag.key: remote.get(flag.opening_form, "not stored") for flag, _ in flags}
        names = {flag.key: (who[flag.client], flag.rule, opening[flag.key]) for flag, _ in flags}
        sent = deliveries_of(tx, names)
        old = tx.conn.execute(text("SELECT key, status, sealed FROM history WHERE source = :s"), {"s": tx.source}).all()
        marks = tx.conn.execute(text("SELECT key, dirty, known FROM clients WHERE source = :s"), {"s": tx.source}).all()
        held = holds_of(tx, people)
        aside = forms.in_quarantine(tx)
        cursors = [(name, book.cursor(tx, name)) for name in ("responses", "reconcile")]
        return Seen(
            responses=sorted(
                (
                    one.id,
                    who[row.client],
                    f"{row.instrument}/{row.instrument_version}",
                    row.status,
                    bool(row.active),
                    row.authored_ms,
                    row.remote_version,
                    tuple(sorted(one.answers.items())),
                    tuple(map(tuple, one.scores)),
                )
                for row, one in stored.values()
            ),
            clients=sorted(
                (who[m.key], bool(m.dirty), m.known if m.known is None else bool(m.known), people[m.key].name,
                 people[m.key].clinician, tuple(people[m.key].changes), len(held.get(m.key, ())))
                for m in marks
            ),
            flags=sorted(
                (*names[f.key], f.state.value, f.shown, kind, f.opened, f.closed, f.score, f.evidence.reason)
                for f, kind in flags
            ),
            deliveries=sorted(
                (*names[key], row.carrier, row.wanted, row.on_platform, row.state)
                for key, found in sent.items() for row in found
            ),
            quarantine=sorted((q.remote_id, q.reason.value, q.where, q.message) for q in aside),
            history=sorted(
                (remote[h.key], h.status, tuple(sorted(forms.unseal(tx, h.key, h.sealed).answers.items()))) for h in old
            ),
            cursors=[(name, one and one.since, one and one.token) for name, one in cursors],
            names=names,
        )  # fmt: skip


def on_platform(place: Place, store: Seen) -> list[tuple[str, ...]]:
    """The flags on a platform as (client, rule, opening form, status), doubles as two lines."""
    found = []
    for kind in PUSHED:
        for one in place.all(kind):
            key = next((i["value"] for i in one.get("identifier", []) if i.get("system") == KEY_SYSTEM), None)
            if key is not None:
                found.append((*store.names.get(key, ("?", "?", key)), str(one.get("status"))))
    return sorted(found)
