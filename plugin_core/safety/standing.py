"""What is wrong with the safety channel at this moment, as sentences for reports of runs, the list of flags, doctor.

It follows from what is stored, not from what a run has met: as long as somebody could not be told, every run says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ...schemas.vocab import NoticeState
from ..settings import Settings
from ..store.notices import BACKUP, CLINICIAN, RECIPIENTS
from ..words import mark, tr, trn
from .queue import Case
from .readiness import NOBODY, unreachable

SEE = mark("See: handrail flags")


def alarms(found: Sequence[Case], settings: Settings, *, hint: bool = True) -> list[str]:
    """Who could not be told of safety answers that nobody has seen. Empty when everybody was.

    :param hint: each ends with where to look; left out where people are looking there already.
    """
    unseen = [case for case in found if not case.flag.seen]
    if not unseen:
        return []
    if names := unreachable(settings):
        return [tr(NOBODY, missing=", ".join(names)), unseen_sentence(len(unseen), hint=hint)]
    refused: Counter[tuple[str, str]] = Counter()
    waiting: Counter[tuple[str, str]] = Counter()
    nobody: Counter[str] = Counter()
    for case in unseen:
        for role in RECIPIENTS:
            last = case.latest(role)
            if case.people.address(role) is None:
                nobody[role] += 1
            elif last is None or last.state is NoticeState.SENT:
                continue
            elif last.state is NoticeState.REFUSED:
                refused[role, last.problem or ""] += 1
            elif last.attempts:
                waiting[role, last.problem or tr("It is not known whether the letter was taken.")] += 1
    return [
        *(_see(_refused(role, problem, count), hint) for (role, problem), count in refused.items()),
        *(_see(_waiting(role, problem, count), hint) for (role, problem), count in waiting.items()),
        *(_nobody(role, count) for role, count in nobody.items()),
    ]


def _refused(role: str, problem: str, count: int) -> str:
    if role == CLINICIAN:
        return trn(
            "The responsible clinician could not be told of {count} safety answer: {problem} Please tell them.",
            "The responsible clinicians could not be told of {count} safety answers: {problem} Please tell them.",
            count,
            problem=problem,
        )
    return trn(
        "The named backup could not be told of {count} safety answer: {problem} Please tell them.",
        "The named backup could not be told of {count} safety answers: {problem} Please tell them.",
        count,
        problem=problem,
    )


def _waiting(role: str, problem: str, count: int) -> str:
    if role == CLINICIAN:
        return trn(
            "The responsible clinician could not be told yet of {count} safety answer: {problem}",
            "The responsible clinicians could not be told yet of {count} safety answers: {problem}",
            count,
            problem=problem,
        )
    return trn(
        "The named backup could not be told yet of {count} safety answer: {problem}",
        "The named backup could not be told yet of {count} safety answers: {problem}",
        count,
        problem=problem,
    )


def _nobody(role: str, count: int) -> str:
    if role == BACKUP:
        return trn(
            "Of {count} safety answer only one person could be told: the settings name no other backup. "
            "Complete [safety] in the settings.",
            "Of {count} safety answers only one person could be told: the settings name no other backup. "
            "Complete [safety] in the settings.",
            count,
        )
    return trn(
        "Of {count} safety answer only the backup could be told: the client's clinician is not in [safety] clinicians, "
        "and the settings have no [safety] clinician for such a case.",
        "Of {count} safety answers only the backup could be told: the clients' clinicians are not in [safety] "
        "clinicians, and the settings have no [safety] clinician for such a case.",
        count,
    )


def unseen_sentence(count: int, *, hint: bool = True) -> str:
    """How many nobody has seen."""
    sentence = trn(
        "{count} safety answer has not been seen by anybody.",
        "{count} safety answers have not been seen by anybody.",
        count,
    )
    return _see(sentence, hint)


def _see(sentence: str, hint: bool) -> str:
    return f"{sentence} {tr(SEE)}" if hint else sentence


def unread_sentence(count: int) -> str:
    """How many forms that may hold a safety answer could not be read."""
    return trn(
        "{count} form that may hold a safety answer could not be read: look at it on the platform. What is wrong with "
        "it: handrail doctor",
        "{count} forms that may hold a safety answer could not be read: look at them on the platform. What is wrong "
        "with them: handrail doctor",
        count,
    )


def unread(names: Iterable[str | None], safe: Iterable[str]) -> int:
    """How many of these set-aside forms, by name, may hold a safety answer; one without a name may be any.

    :param safe: names of the platform's forms that are read as instruments without safety lines.
    """
    known = set(safe)
    return sum(name not in known for name in names)
