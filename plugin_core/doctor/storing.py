"""What `handrail doctor` looks at in Handrail itself: plugins, the store, what is set aside, what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ..engine import Engine
from ..store import book
from ..store.whole import covers
from ..words import mark, tr, trn
from ..words.kept import told
from ..words.spelling import short_day, whole
from .check import NOTE, OK, WRONG, Check

STUCK = timedelta(days=2)
SOON = timedelta(minutes=15)


def plugins(engine: Engine) -> Iterator[Check]:
    problems = engine.registry.plugins.problems()
    for problem in problems:
        yield Check("plugins", WRONG, problem)
    engine.registry.instruments, engine.registry.rules, engine.registry.adapters  # noqa: B018 - raises on a clash
    if not problems:
        loaded = [info.label for info in engine.registry.plugins.infos() if info.loaded]
        yield Check("plugins", OK, ", ".join(loaded))


def store(engine: Engine) -> Iterator[Check]:
    with engine.store.reading():
        pass
    name = "SQLCipher" if covers(engine.settings.store_url) else engine.store.engine.dialect.name
    yield Check("store", OK, tr("opens with its key ({name})", name=name))
    if engine.settings.platform is None:
        yield Check("platform", WRONG, tr("none is connected. Run: handrail connect PLATFORM"))
        return
    counts = engine.status()
    forms, clients = counts["responses"], counts["clients"]
    text = tr("forms: {forms}, clients: {clients}", forms=whole(forms), clients=whole(clients))
    yield Check("stored", OK, text)
    yield from _set_aside(engine)
    yield from _outbox(engine, counts)
    yield from _consent(engine, counts)
    yield from _sent(engine)
    yield from _arriving(engine)


def _set_aside(engine: Engine) -> Iterator[Check]:
    reasons: dict[tuple[str, str], int] = {}
    for item in engine.set_aside():
        reasons[item.reason.value, item.message] = reasons.get((item.reason.value, item.message), 0) + 1
    for (reason, message), number in sorted(reasons.items(), key=lambda pair: -pair[1]):
        advice = tr(_ADVICE.get(reason, _ELSE))
        yield Check("set aside", NOTE, f"{number} x {told(message)}. {advice}")


_ELSE = mark("Mend it on the platform; it is read again when it changes there.")
_ADVICE = {
    "unknown-version": mark("Map that version: handrail connect, then handrail sync --retry-set-aside."),
    "changed-definition": mark(
        "Look at the form: if it still asks the same, confirm its mapping anew (handrail connect)."
    ),
    "unknown-question": mark("Map the form anew: handrail connect, then handrail sync --retry-set-aside."),
    "unknown-answer": mark("Map the form anew: handrail connect, then handrail sync --retry-set-aside."),
}


def _outbox(engine: Engine, counts: dict[str, int]) -> Iterator[Check]:
    if counts.get("outbox_refused"):
        text = trn(
            "{count} flag was refused by the platform; handrail flags says which and why.",
            "{count} flags were refused by the platform; handrail flags says which and why.",
            counts["outbox_refused"],
        )
        yield Check("outbox", WRONG, text)
    if not counts.get("outbox_pending"):
        return
    waits = engine.now() - datetime.fromtimestamp(counts["outbox_oldest_ms"] / 1000, UTC)
    pending = counts["outbox_pending"]
    if engine.settings.push.on and waits > STUCK:
        text = trn(
            "{count} flag waits to be sent, for {days} days. handrail sync says what keeps it.",
            "{count} flags wait to be sent, the oldest for {days} days. handrail sync says what keeps them.",
            pending,
            days=waits.days,
        )
        yield Check("outbox", WRONG, text)
    else:
        text = trn(
            "{count} flag waits to be sent. Run: handrail sync",
            "{count} flags wait to be sent. Run: handrail sync",
            pending,
        )
        yield Check("outbox", NOTE, text)


def _consent(engine: Engine, counts: dict[str, int]) -> Iterator[Check]:
    """Pushing is on, but nobody has agreed yet to what stood before."""
    if not engine.settings.push.on or not counts.get("outbox_pending"):
        return
    with engine.store.reading(engine.source) as tx:
        begun = book.pushing_since(tx)
    if begun is None:
        text = tr(
            "flags from earlier answers wait for a person's yes before the first is shown. Run: handrail sync --yes"
        )
        yield Check("pushing", NOTE, text)


def _sent(engine: Engine) -> Iterator[Check]:
    """What clients sent from a page of ours and nobody can see yet."""
    for one in engine.collecting.online.waiting():
        day = short_day(one.sent)
        if one.refused is not None:
            text = tr(
                "a form ({form}) that a client sent on {day} waits and is not among the answers. {reason} When the "
                "plugin is mended or removed, run: handrail sync",
                form=one.instrument,
                day=day,
                reason=one.refused,
            )
            yield Check("sent forms", WRONG, text)
        elif engine.now() - one.sent > SOON:
            text = tr(
                "a form ({form}) that a client sent on {day} waits. Run: handrail sync", form=one.instrument, day=day
            )
            yield Check("sent forms", NOTE, text)


def _arriving(engine: Engine) -> Iterator[Check]:
    """Syncs succeed, and still nothing comes: a right that was taken away often looks like this."""
    with engine.store.reading(engine.source) as tx:
        newest = book.newest_form(tx)
    weeks = 2 * engine.settings.collect.every_weeks
    if newest is not None and engine.now() - newest > timedelta(weeks=weeks):
        text = tr(
            "no form has been filled in for more than {weeks} weeks. If clients were asked, look on the platform "
            "whether their answers are there and whether this account may see them.",
            weeks=weeks,
        )
        yield Check("arriving", NOTE, text)
