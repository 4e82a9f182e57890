"""Enrolments, asks and sessions in the store, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from handrail.plugin_core.errors import SealBroken
from handrail.plugin_core.store import Store, Tx, asks, enrolments, sessions, tables
from handrail.plugin_core.store.asks import AskRow, Remote
from handrail.schemas.records import Enrolment, Session
from handrail.schemas.vocab import AskState, EnrolmentState
from sqlalchemy import update

from .samples import CANARY, client_of, response, save

NOW = datetime(2026, 5, 4, 9, tzinfo=UTC)
DAY = date(2026, 5, 4)


def plan(store: Store, source: int, client: str = "a", due: date = DAY, form: str = "gr18") -> str:
    return store.write(lambda tx: asks.plan(tx, client, form, due, "test", due + timedelta(days=7), NOW), source)


def rows(store: Store, source: int, **more: object) -> list[AskRow]:
    with store.reading(source) as tx:
        return asks.read(tx, **more)  # type: ignore[arg-type]


def test_one_row_a_client_form_and_day_however_often_it_is_planned(store: Store, source: int) -> None:
    """Two runs that plan the same must not make two requests, nor undo what became of the first."""
    key = plan(store, source)
    store.write(lambda tx: asks.change(tx, key, NOW, state=AskState.OPEN, asked=NOW, attempts=1), source)
    assert plan(store, source) == key
    (row,) = rows(store, source)
    assert (row.state, row.asked, row.attempts, row.due) == (AskState.OPEN, NOW, 1, DAY)
    keys = {plan(store, source, due=DAY + timedelta(days=1)), plan(store, source, "b"), plan(store, source, form="x")}
    assert len(keys | {key}) == 4


def test_changes_come_back_as_they_were_written(store: Store, source: int) -> None:
    """Days stay days and instants instants, on both databases."""
    key = plan(store, source)
    values = {"not_before": NOW, "reminded": NOW + timedelta(hours=1), "reminders": 2, "problem": "x", "recall": True}
    store.write(lambda tx: asks.change(tx, key, NOW, expires=DAY, answered_by="f", **values), source)
    (row,) = rows(store, source, recall=True)
    found = {name: getattr(row, name) for name in values}
    assert found == values
    assert (row.expires, row.answered_by) == (DAY, "f")
    store.write(lambda tx: asks.change(tx, key, NOW, not_before=None, reminded=None), source)
    assert rows(store, source)[0].not_before is None


def test_rows_are_found_by_state_client_key_and_last_day(store: Store, source: int) -> None:
    """The looks of a run, each a query of its own."""
    old = plan(store, source, due=DAY - timedelta(days=90))
    new = plan(store, source, "b")
    later = NOW + timedelta(minutes=1)
    store.write(lambda tx: asks.change(tx, old, later, state=AskState.EXPIRED), source)
    assert [row.key for row in rows(store, source)] == [old, new]
    assert [row.key for row in rows(store, source, states=asks.LIVE)] == [new]
    assert [row.key for row in rows(store, source, clients=["a"])] == [old]
    assert [row.key for row in rows(store, source, keys=[new])] == [new]
    assert [row.key for row in rows(store, source, since=DAY)] == [new]
    with store.reading(source) as tx:
        assert asks.counts(tx) == {"expired": 1, "planned": 1}
        assert asks.last_change(tx) == later


def test_what_a_channel_gave_back_is_sealed_at_its_row(store: Store, source: int) -> None:
    """S16: a link that is moved to another client's row does not open."""
    one, two = plan(store, source), plan(store, source, "b")
    store.write(lambda tx: asks.keep_remote(tx, one, Remote("r-1", f"https://{CANARY}.example")), source)
    with store.reading(source) as tx:
        assert asks.remote_of(tx, [one, two]) == {one: Remote("r-1", f"https://{CANARY}.example")}

    def move(tx: Tx) -> None:
        sealed = tables.asks.select().where(tables.asks.c.key == one)
        value = tx.conn.execute(sealed).one().sealed
        assert CANARY.encode() not in value
        tx.conn.execute(update(tables.asks).where(tables.asks.c.key == two).values(sealed=value))

    store.write(move, source)
    with store.reading(source) as tx, pytest.raises(SealBroken):
        asks.remote_of(tx, [two])


def test_answers_and_what_they_no_longer_support(store: Store, source: int) -> None:
    """Active forms only; an ask whose form was withdrawn or is another client's is found."""
    forms = [response(1), response(2)]
    save(store, source, forms)
    client = client_of(store, source)
    with store.reading(source) as tx:
        found = asks.answers(tx, [client])[client, "gr18"]
    assert [when for when, _ in found] == [form.authored for form in forms]
    key = plan(store, source, client)
    store.write(lambda tx: asks.change(tx, key, NOW, state=AskState.ANSWERED, answered_by=found[0][1]), source)
    with store.reading(source) as tx:
        assert asks.unsupported_answers(tx) == []
    from handrail.plugin_core.store import forms as form_store

    store.write(lambda tx: form_store.deactivate(tx, [found[0][1]], "entered-in-error"), source)
    with store.reading(source) as tx:
        assert [row.key for row in asks.unsupported_answers(tx)] == [key]
        assert len(asks.answers(tx, [client])[client, "gr18"]) == 1


def enrolment(**more: object) -> Enrolment:
    plain: dict[str, object] = {"client": "a", "instruments": ("gr18",), "every_weeks": 4, "start": DAY}
    return Enrolment(**(plain | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "item",
    [
        enrolment(),
        enrolment(
            instruments=("gr18", "gad7"),
            every_sessions=4,
            consent=DAY,
            consent_by=CANARY,
            consent_text="abc",
            channel="paper",
            tags=frozenset({"proxy", "couple"}),
            paused_until=DAY,
            opted_out=DAY,
            end=DAY,
        ),
    ],
)
def test_enrolments_come_back_whole_and_sealed(store: Store, source: int, item: Enrolment) -> None:
    """Who agreed to what is nobody's business who finds the file."""
    store.write(lambda tx: enrolments.save(tx, {"a": (item, EnrolmentState.ACTIVE)}, NOW), source)
    with store.reading(source) as tx:
        assert enrolments.read(tx) == {"a": item}
        assert enrolments.read(tx, ["a", "b"]) == {"a": item}
        assert enrolments.tags_of(tx, ["a"]) == ({"a": item.tags} if item.tags else {})
        (row,) = tx.conn.execute(tables.enrolments.select())
        assert row.state == "active"
        assert CANARY.encode() not in row.sealed


def test_who_is_known_and_not_enrolled(store: Store, source: int) -> None:
    """--everyone must not touch those who have an enrolment, an opt-out among them."""
    save(store, source, [response(1), response(2, client="Patient/2")])
    first, second = client_of(store, source), client_of(store, source, "Patient/2")
    item = {first: (enrolment(client=first), EnrolmentState.OPTED_OUT)}
    store.write(lambda tx: enrolments.save(tx, item, NOW), source)
    with store.reading(source) as tx:
        assert enrolments.missing(tx) == [second]


def test_sessions_are_what_the_platform_has_now(store: Store, source: int) -> None:
    """Two on one day are one; a cancelled one goes; only those whose days changed are to be read anew."""
    held = [Session("a", DAY + timedelta(days=n), CANARY) for n in (0, 7, 7)]
    assert store.write(lambda tx: sessions.save(tx, {"a": held, "b": []}), source) == ["a"]
    assert store.write(lambda tx: sessions.save(tx, {"a": held}), source) == []
    with store.reading(source) as tx:
        assert sessions.read(tx, ["a", "b"]) == {"a": [DAY, DAY + timedelta(days=7)], "b": []}
        assert sessions.therapists(tx, "a") == {DAY: CANARY, DAY + timedelta(days=7): CANARY}
        assert sessions.known(tx)
    assert store.write(lambda tx: sessions.save(tx, {"a": held[:1]}), source) == ["a"]
    with store.reading(source) as tx:
        assert sessions.read(tx, ["a"]) == {"a": [DAY]}
