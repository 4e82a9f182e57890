"""How people name a client (by the platform's reference or its id, by name, or by the start of our key), and how a flag
and all about a client are put together from the tables for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ..schemas.records import Delivery, Flag, Hold
from ..schemas.vocab import DeliveryState, FlagState, RemoteState
from .errors import UsageError
from .safety import told
from .store import Store, Tx, flags, forms, mend, merging, notes, notices, outgoing, remarks
from .store.remarks import Remark
from .views import SHORT, ClientView, FlagRow
from .words import tr

if TYPE_CHECKING:
    from .engine import Engine


def client_key(store: Store, source: int, wanted: str) -> str:
    """Our key of a client; one whose record was merged into another is found under either.

    :raises UsageError: nobody, or more than one, is here by that name; nobody is named.
    """
    wanted = wanted.strip()
    by_ref = store.sealer.hash("client", str(source), wanted)
    with store.reading(source) as tx:
        at_once = forms.read_clients(tx, [by_ref, wanted])
        if at_once:
            return next(iter(at_once))
        merged = merging.merged_into(tx)
        everyone = forms.read_clients(tx)
    if by_ref in merged or wanted in merged:
        return merging.resolve(merged, by_ref if by_ref in merged else wanted)
    text = folded(wanted)
    found = [
        key
        for key, person in everyone.items()
        if wanted  # a client without a name is not meant by saying nothing, as a script's empty variable does
        and (
            person.ref.rpartition("/")[2] == wanted
            or folded(person.name or "") == text
            or (len(text) >= SHORT and key.startswith(text))
        )
    ]
    if len(found) != 1:
        raise UsageError(
            tr(
                "{number} clients here by that reference or name. Give the reference as the platform shows it.",
                number=len(found),
            )
            if found
            else tr("No client here by that reference or name. Give the reference as the platform shows it.")
        )
    return found[0]


def folded(name: str) -> str:
    """A name as it is compared: keyboards and files spell one letter in two ways."""
    return unicodedata.normalize("NFC", name).casefold()


def client_view(engine: Engine, wanted: str) -> ClientView:
    """All about one client.

    :param wanted: how a person names them.
    :raises UsageError: nobody, or more than one, is here by that name.
    """
    from .sync.reading import courses_of, series_of, start_of
    from .sync.sessions import attended

    key, zone, registry = engine.client_key(wanted), engine.settings.zone, engine.registry
    every = [state.value for state in FlagState]
    with engine.store.reading(engine.source) as tx:
        person = forms.read_clients(tx, [key])[key]
        series = series_of(tx, [key], registry, zone, engine.settings.read_tags)[key]
        rows = flag_rows(tx, flags.read(tx, states=every, client=key), engine.now().date(), zone)
        held, said = flags.holds_of(tx, [key]).get(key, ()), remarks.of_clients(tx, [key]).get(key, ())
        noted, ended = notes.of_clients(tx, [key], zone).get(key, ()), mend.ends_of(tx, [key]).get(key)
        sessions = (attended(tx, [key], zone) or {}).get(key)
    return ClientView(
        key=key,
        ref=person.ref,
        name=person.name,
        clinician=person.clinician_name or person.clinician,
        courses=tuple(courses_of(key, series, list(map(start_of, person.changes)), registry, sessions)),
        flags=tuple(rows),
        holds=tuple(held),
        remarks=tuple(said),
        ended=ended,
        notes=tuple(noted),
    )


def flag_rows(tx: Tx, found: Sequence[tuple[Flag, str]], today: date, zone: ZoneInfo) -> list[FlagRow]:
    """Flags with their kind as people see them, in the given order.

    :param today: for holds; `zone` is the practice's, for the times of letters.
    """
    client_keys = sorted({flag.client for flag, _ in found})
    flag_keys = [flag.key for flag, _ in found]
    people = forms.read_clients(tx, client_keys)
    holds = flags.holds_of(tx, client_keys)
    said = remarks.of_clients(tx, client_keys)
    sent = outgoing.deliveries_of(tx, flag_keys)
    seen = flags.acknowledged(tx, flag_keys)
    letters = notices.of_flags(tx, [flag.key for flag, kind in found if kind == notices.SAFETY])
    rows = []
    for flag, kind in found:
        person = people[flag.client]
        hold = next((h for h in reversed(holds.get(flag.client, [])) if h.start <= today <= h.until), None)
        rows.append(
            FlagRow(
                flag=flag if kind == notices.SAFETY else _held(flag, hold),
                kind=kind,
                client=person.name or person.ref,
                clinician=person.clinician_name or person.clinician,
                deliveries=tuple(_delivery(row) for row in sent.get(flag.key, [])),
                acknowledgements=tuple(seen.get(flag.key, [])),
                hold=hold,
                notices=told.views(letters.get(flag.key, []), zone),
                remarks=_on_its_forms(flag, said.get(flag.client, ())),
            )
        )
    return rows


def _on_its_forms(flag: Flag, said: Sequence[Remark]) -> tuple[Remark, ...]:
    rests_on = {form.id for form in flag.evidence.forms} if said else set()
    return tuple(one for one in said if one.form in rests_on)


def _held(flag: Flag, hold: Hold | None) -> Flag:
    return flag if hold is None or flag.state is not FlagState.RAISED else replace(flag, state=FlagState.HELD)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        flag=row.flag,
        carrier=row.carrier,
        wanted=RemoteState(row.wanted),
        on_platform=RemoteState(row.on_platform),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        problem=row.problem,
    )
