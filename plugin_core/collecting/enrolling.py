"""What an enrolment may be, and what it becomes: consent, pause, opt-out and end, checked before anything is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from ...schemas.records import Enrolment
from ...schemas.vocab import EnrolmentState
from ..errors import UsageError
from ..registry import Registry
from ..safety.readiness import demand
from ..settings import Settings
from ..words import mark, tr
from ..words.spelling import day as day_words

TAGS = ("under-age", "proxy", "interpreter", "couple")
"""clinical.md 3.7. The first three keep answers apart from the change rules; `couple` is only shown with them."""

MOST_WEEKS, MOST_SESSIONS = 104, 50
FAR = timedelta(days=730)
HASH_DIGITS = 16

CONSENT_TEXT = mark(
    "From time to time the practice asks you to fill in a short form about the past weeks. Your therapist and those at "
    "the practice who handle the forms can see your answers. They are there so that you and your therapist can look "
    "together at how therapy is going. Your care does not depend on filling it in, you may skip any line, and you can "
    "stop at any time: tell your therapist, and you will not be asked again. The form is not watched around the clock."
)

NO_CONSENT_AGAIN = mark(
    "This client opted out on {day}. To ask again, the client must agree anew: record it with --consent DAY."
)
NOT_ENROLLED = mark("This client is not enrolled. Enrol them first: handrail enrol CLIENT")
WRONG_WEEKS = mark("The number of weeks must be from 1 to {most}.")
WRONG_SESSIONS = mark("The number of sessions must be from 1 to {most}.")
WRONG_TAG = mark("There is no tag {tag}. There are: {tags}.")
NO_FORMS = mark("Name at least one form.")
NOT_FOR_CLIENTS = mark("{form} is not a form for clients, so nobody can be enrolled for it.")
NO_CHANNEL = mark("There is no way of asking called {channel} here. There are: {known}.")
LATER_CONSENT = mark("The day of the consent lies in the future. Record it on the day on which it is given.")
FAR_START = mark("The start, {day}, is more than two years away. Check the year.")
PAUSE_OVER = mark("The pause would end before it begins. Give a day from today on.")
NOTE_CONSENT = mark("No consent is recorded: this client is not asked until it is (--consent DAY).")
NOTE_SESSIONS = mark("The platform gives no attended sessions so far; until it does, weeks are counted.")
NOTE_OLD_TEXT = mark("Consent was given to another text than the one in the settings now.")
NOTE_NAMESAKE = mark("Another client here has the same name. If it is one person, put the two together: handrail merge")
NOTE_APART = mark("Answers are kept apart from the rules about change ({tags}).")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted for one client; None keeps what is there, or takes the practice's usual.

    `client`: the platform's reference, its id, the name, or the start of our key. `every_sessions` 0: by weeks again.
    """

    client: str
    instruments: tuple[str, ...] | None = None
    every_weeks: int | None = None
    every_sessions: int | None = None
    start: date | None = None
    consent: date | None = None
    consent_by: str | None = None
    channel: str | None = None
    tags: frozenset[str] | None = None


def consent_text(settings: Settings) -> str:
    """What clients are shown of purpose and consent: the practice's own text, else ours in its language."""
    return settings.collect.consent_text.strip() or tr(CONSENT_TEXT)


def text_hash(settings: Settings) -> str:
    """The start of the hash of that text, as it is kept with a consent."""
    return hashlib.sha256(consent_text(settings).encode()).hexdigest()[:HASH_DIGITS]


def state_on(item: Enrolment, day: date) -> EnrolmentState:
    """Whether the client is asked on that day, as far as the enrolment goes (consent is another matter)."""
    if item.end is not None and item.end <= day:
        return EnrolmentState.ENDED
    if item.opted_out is not None:
        return EnrolmentState.OPTED_OUT
    if item.paused_until is not None and day <= item.paused_until:
        return EnrolmentState.PAUSED
    return EnrolmentState.ACTIVE


def usual(key: str, settings: Settings, today: date) -> Enrolment:
    """The enrolment of a client of whom nothing else is said: the practice's forms and cadence, without consent."""
    collect = settings.collect
    return Enrolment(client=key, instruments=collect.instruments, every_weeks=collect.every_weeks, start=today)


def enrolled(old: Enrolment | None, key: str, wish: Wish, settings: Settings, today: date, author: str) -> Enrolment:
    """The enrolment that a wish makes of the one that there is (None: there is none).

    :raises UsageError: the client has opted out and no newer consent is given.
    """
    if old is not None and old.opted_out is not None and not _anew(old, old.opted_out, wish.consent):
        raise UsageError(tr(NO_CONSENT_AGAIN, day=day_words(old.opted_out)))
    base = old or usual(key, settings, today)
    if old is not None and old.end is not None and old.end <= today:
        base = replace(base, start=today)
    names = ("instruments", "every_weeks", "start", "channel", "tags")
    given = {name: value for name in names if (value := getattr(wish, name)) is not None}
    if wish.every_sessions is not None:
        given["every_sessions"] = wish.every_sessions or None
    if wish.consent is not None:
        given |= {"consent": wish.consent, "consent_by": wish.consent_by or author, "consent_text": text_hash(settings)}
    return replace(base, opted_out=None, end=None, **given)


def _anew(old: Enrolment, no: date, consent: date | None) -> bool:
    """Whether a consent is a new one after a no, not the one that was there before, read in again."""
    return consent is not None and consent >= no and (old.consent is None or consent > old.consent)


def check(item: Enrolment, settings: Settings, registry: Registry, today: date) -> None:
    """That an enrolment can be lived by.

    :raises UsageError: something in it cannot; the sentence names it.
    :raises SettingsError: a form has safety lines and the practice has not filled in what they need.
    """
    if not item.instruments:
        raise UsageError(tr(NO_FORMS))
    for name in item.instruments:
        instrument = registry.instrument(name)
        if instrument.audience != "client":
            raise UsageError(tr(NOT_FOR_CLIENTS, form=instrument.title))
        demand(instrument, settings)
    for sentence in _wrong(item, registry, today):
        raise UsageError(sentence)


def _wrong(item: Enrolment, registry: Registry, today: date) -> Iterator[str]:
    """What in an enrolment cannot be, beside its forms."""
    for tag in sorted(item.tags - set(TAGS)):
        yield tr(WRONG_TAG, tag=tag, tags=", ".join(TAGS))
    if not 1 <= item.every_weeks <= MOST_WEEKS:
        yield tr(WRONG_WEEKS, most=MOST_WEEKS)
    if item.every_sessions is not None and not 1 <= item.every_sessions <= MOST_SESSIONS:
        yield tr(WRONG_SESSIONS, most=MOST_SESSIONS)
    if item.channel is not None and item.channel not in registry.collectors:
        yield tr(NO_CHANNEL, channel=item.channel, known=", ".join(sorted(registry.collectors)))
    if item.consent is not None and item.consent > today:
        yield tr(LATER_CONSENT)
    if abs(item.start - today) > FAR:
        yield tr(FAR_START, day=day_words(item.start))


def notes_on(item: Enrolment, settings: Settings, *, sessions: bool) -> tuple[str, ...]:
    """What a person should know of an enrolment. `sessions`: whether the platform gives attended sessions."""
    from ..rules import KEPT_APART

    apart = sorted(item.tags & (KEPT_APART - set(settings.read_tags)))
    other_text = item.consent is not None and item.consent_text not in (None, text_hash(settings))
    said: Sequence[tuple[bool, Callable[[], str]]] = (
        (item.consent is None, lambda: tr(NOTE_CONSENT)),
        (other_text, lambda: tr(NOTE_OLD_TEXT)),
        (item.every_sessions is not None and not sessions, lambda: tr(NOTE_SESSIONS)),
        (bool(apart), lambda: tr(NOTE_APART, tags=", ".join(apart))),
    )
    return tuple(words() for holds, words in said if holds)
