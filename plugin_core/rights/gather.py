"""Puts together everything that is kept of one client, as facts: the JSON file, from which the page and the tables are
made, so that the three cannot differ.

Of a flag whose basis is in part not the client's own (a form that was another client's, a therapist's self-check) only
the fact is given: the rest is about somebody else (clinical.md 9.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...schemas.flags import EvidenceSchema
from ...schemas.records import Answer, Evidence, Instrument, Score
from ...schemas.vocab import Blank, FlagState
from ..instruments.translations import in_language
from ..rules import words as rule_words
from ..store import Tx, asks, enrolments, flags, forms, mend, notes, record, remarks
from ..store.record import FullForm
from ..store.remarks import Remark
from ..words import mark, tr

if TYPE_CHECKING:
    from ..engine import Engine

Json = dict[str, Any]
FORMAT = 1
NOT_YOURS = mark("It rested in part on something that is not this client's; that part is not shown here.")
DECLINED = mark("would rather not say")


def gather(engine: Engine, key: str) -> Json:
    """All about one client.

    :param key: our key of the client.
    """
    with engine.store.reading(engine.source) as tx:
        person = forms.read_clients(tx, [key])[key]
        full = record.forms_of(tx, key)
        said = remarks.of_clients(tx, [key]).get(key, [])
        end = mend.ends_of(tx, [key]).get(key)
        own = {form.key: form.stored.id for form in full}
        merged = [one.stored.record for one in mend.redirects_of(tx, mend.CLIENT) if one.target == key]
        found = flags.read(tx, states=[state.value for state in FlagState], client=key)
        return {
            "format": FORMAT,
            "made": engine.now().isoformat(timespec="seconds"),
            "language": engine.settings.language,
            "practice": engine.settings.name or engine.settings.practice,
            "client": {
                "ref": person.ref,
                "name": person.name,
                "clinician": person.clinician_name or person.clinician,
                "new_therapist_from": list(person.changes),
                "course_ended": end.isoformat() if end else None,
                "merged_records": [one.ref for one in merged if one is not None],
            },
            "forms": [_form(engine, form, [one for one in said if one.form == form.key]) for form in full],
            "remarks_on_other_forms": [_remark(one) for one in said if one.form not in own],
            "prompts": _flags(tx, found, own),
            "holds": [
                {
                    "start": one.start.isoformat(),
                    "until": one.until.isoformat(),
                    "reason": one.reason,
                    "author": one.author,
                }
                for one in flags.holds_of(tx, [key]).get(key, [])
            ],
            "notes": [
                {"at": one.at.isoformat(timespec="seconds"), "author": one.author, "text": one.text}
                for one in notes.of_clients(tx, [key], engine.settings.zone).get(key, [])
            ],
            "enrolment": _enrolment(tx, key),
            "requests": _requests(tx, key, own),
            "sessions": record.attended(tx, key),
        }


# --- forms ------------------------------------------------------------------------------------------------------------


def _form(engine: Engine, form: FullForm, said: Sequence[Remark]) -> Json:
    known = engine.registry.instruments.get((form.instrument, form.version))
    # Lines stand as the client read them, titles in the language of this page.
    instrument = in_language(known.descriptor, form.stored.language or known.descriptor.language) if known else None
    titled = in_language(known.descriptor) if known else None
    return {
        "id": form.stored.id,
        "instrument": form.instrument,
        "version": form.version,
        "title": titled.title if titled else form.instrument,
        "draft": instrument is not None and instrument.status == "draft",
        "filled_in": form.authored.isoformat(),
        "status": form.status,
        "counts": form.counts,
        "mode": form.stored.mode,
        "language": form.stored.language,
        "filled_in_by": form.stored.source,
        "tags": list(form.stored.tags),
        "answers": _answers(instrument, form.stored.answers),
        "scores": _scores(titled, form),
        "stored_totals": dict(form.stored.totals),
        "remarks": [_remark(one) for one in said],
        "earlier_versions": [
            {
                "replaced": one.replaced.isoformat(timespec="seconds"),
                "status": one.status,
                "answers": _answers(instrument, one.answers),
            }
            for one in form.earlier
        ],
    }


def _answers(instrument: Instrument | None, given: Mapping[str, Answer | str]) -> list[Json]:
    """The lines in the order of the form with the words that stand on it; lines of a form that is not here by id."""
    lines = [item.id for item in instrument.items] if instrument else sorted(given)
    return [
        {
            "line": line,
            "question": instrument.item(line).text if instrument else None,
            "answer": _plain(given.get(line)),
            "words": _words(instrument, line, given.get(line)),
        }
        for line in lines
    ]


def _plain(value: Answer | str | None) -> int | str:
    if value is None:
        return Blank.EMPTY.value
    return value.value if isinstance(value, Blank) else value


def _words(instrument: Instrument | None, line: str, value: Answer | str | None) -> str:
    plain = _plain(value)
    if plain == Blank.DECLINED.value:
        return tr(DECLINED)
    if plain == Blank.EMPTY.value:
        return tr(rule_words.NOT_ANSWERED)
    options = instrument.item(line).options if instrument else ()
    return next((option.label for option in options if option.value == plain), str(plain))


def _scores(instrument: Instrument | None, form: FullForm) -> list[Json]:
    titles = {score.id: score for score in instrument.scores} if instrument else {}
    found = []
    for name, value, answered, of, method, reason in form.stored.scores:
        score = Score(name, value, answered, of, method, reason)
        defined = titles.get(name)
        found.append(
            {
                "score": name,
                "title": defined.title if defined else name,
                "value": score.value,
                "lowest": defined.low if defined else None,
                "highest": defined.high if defined else None,
                "answered": score.answered,
                "of": score.of,
                "reason": score.reason,
            }
        )
    return found


def _remark(one: Remark) -> Json:
    return {"at": one.at.isoformat(timespec="seconds"), "text": one.text, "written_down_by": one.author}


# --- what was made of them --------------------------------------------------------------------------------------------


def _flags(tx: Tx, found: Sequence[tuple[Any, str]], own: Mapping[str, str]) -> list[Json]:
    keys = [flag.key for flag, _ in found]
    seen = flags.acknowledged(tx, keys)
    told: dict[str, list[Json]] = {}
    for key, to, when in record.letters(tx, keys):
        told.setdefault(key, []).append({"to": to, "sent": when.isoformat(timespec="seconds") if when else None})
    return [
        {
            "kind": kind,
            "rule": flag.rule,
            "rule_version": flag.rule_version,
            "state": flag.state.value,
            "opened": flag.opened.isoformat(),
            "closed": flag.closed.isoformat() if flag.closed else None,
            **_basis(flag.evidence, own),
            "seen": [
                {
                    "at": one.at.isoformat(timespec="seconds"),
                    "author": one.author,
                    "note": one.note,
                    "useful": one.useful,
                }
                for one in seen.get(flag.key, [])
            ],
            "letters": told.get(flag.key, []),
        }
        for flag, kind in sorted(found, key=lambda pair: (pair[0].opened, pair[0].key))
    ]


def _basis(evidence: Evidence, own: Mapping[str, str]) -> Json:
    if any(form.id not in own for form in evidence.forms):
        return {"reason": tr(NOT_YOURS), "evidence": None}
    dumped: Json = EvidenceSchema().dump(evidence)
    for form in dumped["forms"]:
        form["id"] = own[form["id"]]
    return {"reason": evidence.reason, "evidence": dumped}


def _enrolment(tx: Tx, key: str) -> Json | None:
    one = enrolments.read(tx, [key]).get(key)
    if one is None:
        return None
    days = {name: getattr(one, name) for name in ("start", "consent", "paused_until", "opted_out", "end")}
    return {
        "forms": list(one.instruments),
        "every_weeks": one.every_weeks,
        "every_sessions": one.every_sessions,
        "channel": one.channel,
        "tags": sorted(one.tags),
        "consent_by": one.consent_by,
        "consent_text": one.consent_text,
        **{name: day.isoformat() if day else None for name, day in days.items()},
    }


def _requests(tx: Tx, key: str, own: Mapping[str, str]) -> list[Json]:
    return [
        {
            "form": one.instrument,
            "due": one.due.isoformat(),
            "state": one.state.value,
            "channel": one.channel,
            "asked": one.asked.isoformat(timespec="seconds") if one.asked else None,
            "reminders": one.reminders,
            "last_day": one.expires.isoformat(),
            "answered_by": own.get(one.answered_by or ""),
        }
        for one in asks.read(tx, clients=[key])
    ]
