"""What `handrail doctor` asks the platform: who answers, what is allowed there, whether its clock is ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ..contracts import Identity
from ..engine import Engine
from ..words import tr
from .check import NOTE, OK, WRONG, Check

APART = timedelta(minutes=5)  # sign-in by signed requests fails beyond that


def platform(engine: Engine) -> Iterator[Check]:
    """One look at the platform, and what follows from it."""
    if engine.settings.platform is None:
        return
    identity = engine.identity()
    yield Check(
        "platform",
        OK,
        tr(
            "{platform} answers: {title} {version}",
            platform=engine.spec.title,
            title=identity.title,
            version=identity.version,
        ).strip(),
    )
    known = engine.store.fingerprint(engine.source)
    if known not in (None, identity.fingerprint):
        yield Check(
            "platform", WRONG, tr("another server answers than before. If the practice moved: handrail connect --moved")
        )
    for note in identity.notes:
        yield Check("platform", NOTE, note)
    yield from _clock(engine, identity)
    yield from _pushing(engine, identity)
    if engine.settings.collect.channel == "platform" and (silent := engine.collecting.cannot_ask()):
        yield Check("asking clients", NOTE, silent)
    if engine.spec.capabilities.lists_forms:
        yield from _unmapped(engine)


def _clock(engine: Engine, identity: Identity) -> Iterator[Check]:
    """Cursors go by the server's clock (F5); sign-in, due dates and alarms go by ours."""
    if identity.clock is None:
        return
    apart = engine.now() - identity.clock
    if abs(apart) > APART:
        minutes = round(abs(apart) / timedelta(minutes=1))
        if apart > timedelta():
            text = tr(
                "this computer's clock is {minutes} minutes ahead of the platform's. Let it be set by the network.",
                minutes=minutes,
            )
        else:
            text = tr(
                "this computer's clock is {minutes} minutes behind the platform's. Let it be set by the network.",
                minutes=minutes,
            )
        yield Check("clock", WRONG, text)


def _pushing(engine: Engine, identity: Identity) -> Iterator[Check]:
    push = engine.settings.push
    if not engine.spec.carriers:
        said = tr("this platform shows no flags. To enter them by hand: handrail flags --by-hand")
        yield Check("pushing", NOTE, said)
        return
    if not push.on:
        yield Check("pushing", NOTE, tr("off: flags stay in Handrail. To change that: handrail connect with --push"))
        return
    for name in push.carriers:
        if identity.can.get(name) is False:
            text = tr(
                "the platform does not let Handrail write what {name} needs. Ask the vendor for that right, or "
                "choose another carrier: handrail connect with --carrier",
                name=name,
            )
            yield Check("pushing", WRONG, text)


def _unmapped(engine: Engine) -> Iterator[Check]:
    """Forms on the platform that resemble an instrument and are read as none."""
    for proposal in engine.proposals():
        title = proposal.form.title or proposal.form.form
        text = tr(
            "the platform's form {title!r} looks like {id}, but nobody has confirmed how it is read, so its "
            "answers are passed over. Run: handrail connect {platform}",
            title=title,
            id=proposal.instrument.id,
            platform=engine.connection.platform,
        )
        risky = bool(proposal.instrument.safety)
        more = tr("It has lines about safety: answers on them are seen by nobody here.")
        yield Check("forms", WRONG if risky else NOTE, f"{text} {more}" if risky else text)
