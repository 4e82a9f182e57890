"""What `handrail doctor` looks at in Handrail itself: plugins, the store, what is set aside, what waits."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Engine
from .check import NOTE, OK, WRONG, Check
from .running import last_run


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
    yield Check("store", OK, f"opens with its key ({engine.store.engine.dialect.name})")
    if engine.settings.platform is None:
        yield Check("platform", WRONG, "none is connected. Run: handrail connect PLATFORM")
        return
    counts = engine.status()
    text = f"{counts['responses']:,} forms of {counts['clients']:,} clients"
    yield Check("stored", OK, text)
    yield from _set_aside(engine)
    yield from _outbox(counts)
    yield from last_run(engine)


def _set_aside(engine: Engine) -> Iterator[Check]:
    reasons: dict[tuple[str, str], int] = {}
    for item in engine.set_aside():
        reasons[item.reason.value, item.message] = reasons.get((item.reason.value, item.message), 0) + 1
    for (reason, message), number in sorted(reasons.items(), key=lambda pair: -pair[1]):
        advice = _ADVICE.get(reason, "Mend it on the platform; it is read again when it changes there.")
        yield Check("set aside", NOTE, f"{number} x {message}. {advice}")


_ADVICE = {
    "unknown-version": "Map that version: handrail connect, then handrail sync --retry-set-aside.",
    "changed-definition": "Look at the form: if it still asks the same, confirm its mapping anew (handrail connect).",
    "unknown-question": "Map the form anew: handrail connect, then handrail sync --retry-set-aside.",
    "unknown-answer": "Map the form anew: handrail connect, then handrail sync --retry-set-aside.",
}


def _outbox(counts: dict[str, int]) -> Iterator[Check]:
    if counts.get("outbox_refused"):
        text = f"{counts['outbox_refused']} flags were refused by the platform; handrail flags says which and why."
        yield Check("outbox", WRONG, text)
    if counts.get("outbox_pending"):
        yield Check("outbox", NOTE, f"{counts['outbox_pending']} flags wait to be sent. Run: handrail sync")
