"""What `handrail doctor` asks the platform: who answers, what is allowed there, whether its clock is ours."""

from __future__ import annotations

from collections.abc import Iterator

from ..engine import Engine
from .check import NOTE, OK, WRONG, Check


def platform(engine: Engine) -> Iterator[Check]:
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
