"""The same facts as JSON for other programs (`--json`): stable keys, ISO times, states by their words.

What each key means stands in docs/json.md, and a test holds the two together. Keys are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...schemas.flags import EvidenceSchema
from ...schemas.records import Acknowledgement, Course, Delivery, Hold, RunReport, Score, ScoredForm
from ...schemas.runs import RunReportSchema
from ...schemas.vocab import Blank
from ..safety import told
from . import phrases
from .series import Span, all_scores, series_of, visible

if TYPE_CHECKING:
    from ..store.remarks import Remark
    from ..views import ClientView, FlagRow

Json = dict[str, Any]
FORMAT = 1
_NO_TITLES: Mapping[str, str] = {}
_EVIDENCE = EvidenceSchema()  # made once: that takes longer than to dump by it


def flag_json(row: FlagRow, titles: Mapping[str, str] = _NO_TITLES) -> Json:
    """One flag with its evidence, its client's name, what was sent and what people said of it."""
    flag = row.flag
    return {
        "id": row.id,
        "key": flag.key,
        "client": row.client,
        "client_key": flag.client,
        "clinician": row.clinician,
        "kind": row.kind,
        "rule": flag.rule,
        "rule_version": flag.rule_version,
        "title": phrases.title(row, titles),
        "state": flag.state.value,
        "shown": flag.shown,
        "opened": flag.opened.isoformat(),
        "closed": flag.closed.isoformat() if flag.closed else None,
        "opening_form": flag.opening_form,
        "score": flag.score,
        "reason": flag.evidence.reason,
        "evidence": _EVIDENCE.dump(flag.evidence),
        "deliveries": [_delivery(delivery) for delivery in row.deliveries],
        "acknowledgements": [_acknowledgement(item) for item in row.acknowledgements],
        "hold": _hold(row.hold) if row.hold else None,
        "remarks": [_remark(one) for one in row.remarks],
        "notices": [told.as_json(notice) for notice in row.notices],
    }


def flags_json(rows: Sequence[FlagRow], titles: Mapping[str, str] = _NO_TITLES) -> Json:
    """A list of flags, in the given order."""
    return {"format": FORMAT, "flags": [flag_json(row, titles) for row in rows]}


def client_json(view: ClientView) -> Json:
    """One client: courses with every answer and score, the bands that the rules saw, flags and holds.

    Of a therapist's self-check only the forms that are shared.
    """
    return {
        "format": FORMAT,
        "key": view.key,
        "ref": view.ref,
        "name": view.name,
        "clinician": view.clinician,
        "courses": [_course(course) for course in visible(view.courses)],
        "flags": [flag_json(row) for row in view.flags],
        "holds": [_hold(hold) for hold in view.holds],
        "remarks": [_remark(one) for one in view.remarks],
        "ended": view.ended.isoformat() if view.ended else None,
        "notes": [{"at": one.at.isoformat(), "author": one.author, "text": one.text} for one in view.notes],
    }


def report_json(report: RunReport) -> Json:
    """What a sync did and what it left undone."""
    found: Json = RunReportSchema().dump(report)
    return {"format": FORMAT, **found}


def _course(course: Course) -> Json:
    form = course.instrument
    return {
        "instrument": form.id,
        "version": form.version,
        "title": form.title,
        "status": form.status,
        "therapists": [when.isoformat() for when in course.therapists],
        "forms": [_form(one) for one in course.forms],
        "bands": {name: [_band(s) for s in series_of(course, name).spans] for name in all_scores(form)},
    }


def _form(form: ScoredForm) -> Json:
    return {
        "id": form.id,
        "authored": form.authored.isoformat(),
        "mode": form.mode.value,
        "language": form.language,
        "tags": sorted(form.tags),
        "straight_line": form.straight_line,
        "answers": {line: given.value if isinstance(given, Blank) else given for line, given in form.answers.items()},
        "scores": {name: _score(score) for name, score in form.scores.items()},
    }


def _score(score: Score) -> Json:
    return {
        "value": score.value,
        "answered": score.answered,
        "of": score.of,
        "method": score.method,
        "reason": score.reason,
    }


def _band(span: Span) -> Json:
    return {
        "from": span.start.isoformat(),
        "to": span.end.isoformat(),
        "baseline": span.mean,
        "width": span.width,
        "baseline_forms": list(span.forms),
        "origin": span.origin,
    }


def _delivery(delivery: Delivery) -> Json:
    return {
        "carrier": delivery.carrier,
        "wanted": delivery.wanted.value,
        "on_platform": delivery.on_platform.value,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "problem": delivery.problem,
    }


def _acknowledgement(item: Acknowledgement) -> Json:
    said = {"author": item.author, "note": item.note, "useful": item.useful, "kind": item.kind}
    return {"at": item.at.isoformat(), **said}


def _remark(one: Remark) -> Json:
    return {"form": one.form, "at": one.at.isoformat(), "text": one.text, "author": one.author}


def _hold(hold: Hold) -> Json:
    return {
        "start": hold.start.isoformat(),
        "until": hold.until.isoformat(),
        "reason": hold.reason,
        "author": hold.author,
    }
