"""Invented records for tests of the store, with canaries: texts that must be found nowhere outside a sealed column."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from handrail.plugin_core.store import Store, Tx, forms, outgoing
from handrail.plugin_core.store import flags as flag_store
from handrail.plugin_core.store.sql import Row
from handrail.plugin_core.store.tables import metadata
from handrail.schemas.records import Evidence, Flag, FormUsed, Response, Score, ScoredForm
from handrail.schemas.vocab import FlagState, RemoteState
from sqlalchemy import insert, select

MASTER = bytes(range(32))
PRACTICE = "north-road"
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
CANARY = "zebrafinch"


def response(number: int, *, client: str = f"Patient/{CANARY}-1", answer: int = 3) -> Response:
    """The form of that number of a client, a week apart each."""
    return Response(
        id=f"{CANARY}-form-{number}",
        client=client,
        instrument="gr18",
        instrument_version="1",
        authored=START + timedelta(weeks=number),
        answers={"G1": answer, "G2": 1},
        version="1",
        updated=START + timedelta(weeks=number),
        source=f"device {CANARY}",
        tags=frozenset({f"tag-{CANARY}"}),
    )


def scored(form: Response) -> ScoredForm:
    """The same with one score; the value is the answer, so that tests can tell versions apart."""
    score = Score("growth", float(str(form.answers["G1"])), 2, 2, "mean")
    return ScoredForm(form.id, form.authored, form.answers, {"growth": score}, tags=form.tags)


def key_of(store: Store, source: int, form: Response) -> str:
    """The key under which a form is stored."""
    return store.sealer.hash("response", str(source), form.id)


def client_of(store: Store, source: int, ref: str = f"Patient/{CANARY}-1") -> str:
    """The key of a client."""
    return store.sealer.hash("client", str(source), ref)


def rows(store: Store, tx: Tx, items: Iterable[Response]) -> list[Row]:
    """Forms as rows to save."""
    made = []
    for item in items:
        key, client = key_of(store, tx.source, item), client_of(store, tx.source, item.client)
        made.append(forms.row(tx, key, client, item, scored(item), f"content-{item.answers['G1']}", "abc"))
    return made


def save(store: Store, source: int, items: Iterable[Response]) -> None:
    """Stores a page of forms with their clients."""
    page = list(items)

    def work(tx: Tx) -> None:
        forms.save(tx, rows(store, tx, page), [])
        forms.mark_dirty(tx, {client_of(store, source, item.client): item.client for item in page})

    store.write(work, source)


def flag(key: str, client: str, *, state: FlagState = FlagState.RAISED, number: int = 0, rule: str = "P1") -> Flag:
    """A flag with little but complete evidence."""
    when = START + timedelta(weeks=number)
    used = FormUsed(f"form-{number}", when, "opening", {"warning": 3.0})
    evidence = Evidence(f"because {CANARY}", (used,), (), (), (), "two forms below the band")
    return Flag(key, client, rule, "1", state, when, f"form-{number}", evidence, score=0.9)


def raise_flag(store: Store, source: int, key: str, carriers: Iterable[str] = ("flag",), **more: Any) -> Flag:
    """Stores a raised flag of a stored client and wants it on carriers."""
    made = flag(key, client_of(store, source), **more)

    def work(tx: Tx) -> None:
        forms.mark_dirty(tx, {made.client: f"Patient/{CANARY}-1"})
        flag_store.save(tx, [(made, "prompt")])
        outgoing.want(tx, {key: RemoteState.ACTIVE}, list(carriers))

    store.write(work, source)
    return made


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as plain SQL gives it: table -> rows in the order of their keys."""
    with store.engine.connect() as conn:
        return {
            table.name: [dict(row._mapping) for row in conn.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def insert_plain(store: Store, table: str, values: dict[str, Any]) -> None:
    """A row written past the store's own code."""
    with store.engine.connect().execution_options(handrail_write=True) as conn, conn.begin():
        conn.execute(insert(metadata.tables[table]).values(**values))


def bytes_of(folder: Path) -> bytes:
    """All files of a folder, as they lie on the disk."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
