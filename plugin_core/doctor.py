"""What `handrail doctor` looks at: a table of checks from the settings to the platform, each a plain finding.

A check that fails stops those that need it; the others still run, so that one look shows all that is wrong.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from .engine import Engine
from .errors import HandrailError
from .settings import Settings, load

OK, NOTE, WRONG = "ok", "note", "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `ok`, `note` (worth knowing) or `wrong` (to mend)."""

    name: str
    state: str
    finding: str


def examine(file: Path, *, offline: bool) -> list[Check]:
    """Looks at everything there is.

    :param file: the settings file, there or not.
    :param offline: leave the platform out.
    """
    checks = [_python()]
    try:
        settings = load(file)
    except HandrailError as error:
        return [*checks, Check("settings", WRONG, error.message)]
    checks += [Check("settings", OK, str(file)), *_files(settings)]
    with Engine(settings) as engine:
        for name, look in _LOOKS.items():
            if offline and name == "platform":
                continue
            try:
                checks += look(engine)
            except HandrailError as error:
                checks.append(Check(name, WRONG, error.message))
    return checks


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", OK if sys.version_info >= (3, 11) else WRONG, version)


def _files(settings: Settings) -> Iterator[Check]:
    """Owner-only files, and a store that is not in a folder that something else writes to (S19, F74)."""
    shared = ("Dropbox", "OneDrive", "iCloud", "Google Drive", "Nextcloud")
    for name, path in (("settings file", settings.file), ("store file", _sqlite_path(settings))):
        if path is None or not path.exists():
            continue
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Check(name, WRONG, f"others on this computer can read {path}. Run: chmod 600 {path}")
        if any(part in path.parts for part in shared):
            yield Check(
                name, WRONG, f"{path} lies in a synchronised folder, which can damage a store. Move it elsewhere."
            )
    if not settings.time_zone or settings.time_zone == "UTC":
        yield Check("time zone", NOTE, "UTC. If the practice is elsewhere, set time_zone in the settings.")


def _sqlite_path(settings: Settings) -> Path | None:
    prefix = "sqlite:///"
    return Path(settings.store_url[len(prefix) :]) if settings.store_url.startswith(prefix) else None


def _plugins(engine: Engine) -> Iterator[Check]:
    problems = engine.registry.plugins.problems()
    for problem in problems:
        yield Check("plugins", WRONG, problem)
    engine.registry.instruments, engine.registry.rules, engine.registry.adapters  # noqa: B018 - raises on a clash
    if not problems:
        loaded = [info.label for info in engine.registry.plugins.infos() if info.loaded]
        yield Check("plugins", OK, ", ".join(loaded))


def _store(engine: Engine) -> Iterator[Check]:
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
    yield from _last_run(engine)


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


def _last_run(engine: Engine) -> Iterator[Check]:
    runs = engine.runs(1)
    if not runs:
        yield Check("last sync", NOTE, "there was none yet. Run: handrail sync")
        return
    last = runs[0]
    age = engine.now() - last.finished
    state = OK if last.outcome == "complete" and age < timedelta(days=1) else NOTE
    yield Check("last sync", state, f"{last.outcome}, {last.finished.isoformat(timespec='minutes')}")
    for problem in last.problems:
        yield Check("last sync", WRONG if problem.fatal else NOTE, problem.what)


def _platform(engine: Engine) -> Iterator[Check]:
    if engine.settings.platform is None:
        return
    identity = engine.identity()
    yield Check("platform", OK, f"{engine.spec.title} answers: {identity.title} {identity.version}".strip())
    known = engine.store.fingerprint(engine.source)
    if known not in (None, identity.fingerprint):
        yield Check(
            "platform", WRONG, "another server answers than before. If the practice moved: handrail connect --moved"
        )
    for note in identity.notes:
        yield Check("platform", NOTE, note)
    if not engine.settings.push.on:
        yield Check("pushing", NOTE, "off: flags stay in Handrail. To change that: handrail connect with --push")


_LOOKS: dict[str, Callable[[Engine], Iterator[Check]]] = {"plugins": _plugins, "store": _store, "platform": _platform}
