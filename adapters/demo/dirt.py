"""The dirt of the invented practice: what real platforms also hold, one function a kind.

Each takes the practice and a client and gives further forms. None of them may change a flag of the client; what becomes
of each is said beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from ...schemas.records import Answer
from ...schemas.vocab import Blank

if TYPE_CHECKING:
    from .practice import InventedForm, Practice

OLD_VERSION = "0"
OLD_WORDING = {"G1": "I feel that I can cope.", "W2": "I need my therapist to feel all right."}
STRANGER = "client-99"


def amended(practice: Practice, client: str) -> list[InventedForm]:
    """A second version of a form, two days later: replaces the first, whose answers stay in the history (F60)."""
    form = practice.gr18(client)[6]
    answers = {**form.answers, "F1": 3, "N2": 2}
    return [replace(form, stamp=form.stamp + timedelta(days=2), status="amended", answers=answers)]


def left_out(practice: Practice, client: str) -> list[InventedForm]:
    """Two growth lines left empty and one declined: no growth score, with the reason; one warning line is borne."""
    return [
        _between(
            practice,
            client,
            4,
            "left",
            {"G2": Blank.EMPTY, "G9": Blank.EMPTY, "G5": Blank.DECLINED, "W1": Blank.DECLINED},
        )
    ]


def blank(practice: Practice, client: str) -> list[InventedForm]:
    """A form that was sent without one answer: no score, never a 0 (F57)."""
    form = _between(practice, client, 5, "blank", {})
    return [replace(form, answers={})]


def twice(practice: Practice, client: str) -> list[InventedForm]:
    """The same form sent twice within seconds, under two ids."""
    form = practice.gr18(client)[8]
    return [replace(form, id=f"{form.id}-again", stamp=form.stamp + timedelta(seconds=11))]


def in_progress(practice: Practice, client: str) -> list[InventedForm]:
    """Begun and not sent: neither scored nor flagged, whatever stands in it (F59)."""
    form = practice.gr18(client)[-1]
    answers = dict(list(form.answers.items())[:7])
    stamp = datetime.combine(practice.as_of - timedelta(days=2), time(18), form.stamp.tzinfo)
    return [replace(form, id=f"{client}-gr18-begun", stamp=stamp, status="in-progress", authored=None, answers=answers)]


def in_error(practice: Practice, client: str) -> list[InventedForm]:
    """Two forms of somebody else, seen and marked as entered in error: they would have raised P1 and P7 (F61)."""
    found = []
    for place, number in (("first", 7), ("second", 8)):
        form = _between(practice, client, number, f"error-{place}", {})
        worst: dict[str, Answer] = {**form.answers, **dict.fromkeys(("W1", "W2", "W5", "N1"), 4), "W3": 0, "W4": 0}
        form = replace(form, answers=worst)
        found += [form, replace(form, stamp=form.stamp + timedelta(days=1), status="entered-in-error")]
    return found


def old_wording(practice: Practice, client: str) -> list[InventedForm]:
    """A form of the practice's own first edition, other words under the same address: set aside, not scored (F68)."""
    form = _between(practice, client, 2, "old", {})
    return [replace(form, version=OLD_VERSION, rewords=OLD_WORDING)]


def reworded(practice: Practice, client: str) -> list[InventedForm]:
    """A line reworded on the platform without a new version: the changed text gives it away; set aside."""
    form = _between(practice, client, 3, "reworded", {})
    return [replace(form, rewords={"W5": "I let my therapist choose for me."})]


def stray(practice: Practice, day: date) -> InventedForm:
    """A form of a client that the platform does not know."""
    form = practice.gr18(next(iter(practice.courses)))[0]
    when = datetime.combine(day, time(7), form.stamp.tzinfo)
    return replace(form, id="stray-gr18-01", client=STRANGER, authored=when, stamp=when + timedelta(seconds=30))


def _between(practice: Practice, client: str, number: int, name: str, changes: Mapping[str, Answer]) -> InventedForm:
    """A form of its own ten days after the client's form of that number."""
    form = practice.gr18(client)[number]
    when = datetime.combine(form.stamp.date() + timedelta(days=10), time(10, number), form.stamp.tzinfo)
    return replace(
        form,
        id=f"{client}-gr18-{name}",
        authored=when,
        stamp=when + timedelta(seconds=40),
        answers={**form.answers, **changes},
    )


SOILED: dict[str, Callable[[Practice, str], list[InventedForm]]] = {
    "amended": amended,
    "some lines left out": left_out,
    "blank": blank,
    "sent twice": twice,
    "in progress": in_progress,
    "entered in error": in_error,
    "old wording": old_wording,
    "reworded in place": reworded,
}
