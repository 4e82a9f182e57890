"""Every hook of Handrail, typed, in the order in which a run meets them. Nothing else lives here.

The grammar: `register_*` returns named descriptors, which the core calls one at a time, each inside its own guard;
`prepare_*` may adjust or refuse what it is handed; a past participle tells what happened, after the commit, and
cannot undo it. An implementation may name fewer arguments than the spec has. Arguments are added freely and removed
only after implementers were warned for two releases (see `deprecations.py`). The same, with runnable examples, is
docs/hooks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .deprecations import hookspec

if TYPE_CHECKING:
    import click

    from ..schemas.records import Delivery, Flag, Instrument, Response, RunReport
    from .contracts import (
        AdapterSpec,
        CollectorSpec,
        HookContext,
        Refusal,
        RuleSpec,
        ScorerSpec,
    )


@hookspec
def register_commands(cli: click.Group) -> None:
    """Adds commands of a vendor's own to the `handrail` command.

    Called once at the start of every command, so keep it quick: import inside the command's body.

    :param cli: the click group to add to; a name that is taken is refused, naming both sides.

    Example::

        @hookimpl
        def register_commands(cli):
            @cli.command()
            def acme_status():
                "Says how the Acme account is doing."
                from .status import show
                show()
    """


@hookspec
def register_instruments() -> Sequence[Instrument]:
    """Gives forms that can be asked and scored. Handrail's own come through this same hook.

    Called when a command first needs an instrument. Read yours from a data file with
    `handrail.plugin_core.instruments.read`, which checks it.

    :returns: instruments; an (id, version) that another plugin gives too is refused, naming both.

    Example::

        @hookimpl
        def register_instruments():
            raw = files("handrail_acme").joinpath("acme5.json").read_bytes()
            return [read(raw, name="acme5.json")]
    """
    return ()


@hookspec
def register_scorers() -> Sequence[ScorerSpec]:
    """Gives special scoring for instruments whose rule is neither a mean nor a sum.

    :returns: scorers; a score definition of method `special` names one. The function gets the instrument, the
        definition and the raw answers, and returns a `Score`; "could not score" is a value with a reason.

    Example::

        @hookimpl
        def register_scorers():
            return [ScorerSpec(name="acme-longest-run", score=longest_run)]
    """
    return ()


@hookspec
def register_rules() -> Sequence[RuleSpec]:
    """Gives rules: a course in, one reading a form out.

    A judge is pure and causal: no clock, no randomness, no file. Holds, quiet periods and the life of flags are the
    core's business.

    :returns: rules; an id that another plugin gives too is refused, naming both.

    Example::

        @hookimpl
        def register_rules():
            return [RuleSpec(id="ACME1", version="1", title="Two skipped forms of the week",
                             instrument="acme5", judge=two_low)]
    """
    return ()


@hookspec
def register_collectors() -> Sequence[CollectorSpec]:
    """Gives ways to ask a client other than the platform's own forms.

    :returns: collectors. `ask` is called once for each request that is due; the same `Ask.key` must never ask twice.
        The platform's own way, a printed sheet and e-mail come through this same hook.

    Example::

        @hookimpl
        def register_collectors():
            return [CollectorSpec(name="acme-app", title="Acme's phone app", ask=push_to_app)]
    """
    return ()


@hookspec
def register_adapters() -> Sequence[AdapterSpec]:
    """Gives platforms: settings schema, capabilities, carriers and a factory.

    :returns: adapters; a name that another plugin gives too is refused, naming both.

    Example::

        @hookimpl
        def register_adapters():
            from .adapter import SPEC
            return [SPEC]
    """
    return ()


@hookspec
def prepare_responses(responses: Sequence[Response], context: HookContext) -> Sequence[Response | Refusal] | None:
    """Mends or refuses responses before they are stored, a page at a time.

    Called once a page, after mapping and validation, for each plugin in turn (first registered first). What is
    stored is what the last one returned.

    :param responses: a read-only sequence; records are frozen (`dataclasses.replace` makes a changed one).
    :param context: practice, platform, as-of. No token, no store.
    :returns: as many as came in, in the same order, each a `Response` or a `Refusal` with a plain reason (the form is
        then set aside); or None for "unchanged". Another count is an error of the plugin and stops the page.

    Example::

        @hookimpl
        def prepare_responses(responses, context):
            return [Refusal("filled in by the test account") if "test" in r.tags else r for r in responses]
    """
    return None


@hookspec
def prepare_flags(flags: Sequence[Flag], context: HookContext) -> Sequence[Flag | Refusal] | None:
    """Rewords within the wording rules, or vetoes, flags before they are stored and queued for the platform.

    Never called with safety notices (rule S): nothing may silence those.

    :param flags: newly raised flags, read-only.
    :returns: as many as came in, in the same order, each a `Flag` or a `Refusal` (the flag is then not raised and the
        reason is in the run report); or None for "unchanged".

    Example::

        @hookimpl
        def prepare_flags(flags, context):
            return [Refusal("rule not used here") if f.rule == "P4" else f for f in flags]
    """
    return None


@hookspec
def responses_stored(responses: Sequence[Response], context: HookContext) -> None:
    """Told, a page at a time and after the commit, which responses are new or changed.

    Example::

        @hookimpl
        def responses_stored(responses, context):
            statistics.count(len(responses))
    """


@hookspec
def flags_changed(flags: Sequence[Flag], context: HookContext) -> None:
    """Told, after the commit, which flags were raised, cleared or withdrawn.

    Example::

        @hookimpl
        def flags_changed(flags, context):
            bell.ring(any(f.state == "raised" for f in flags))
    """


@hookspec
def flags_delivered(deliveries: Sequence[Delivery], context: HookContext) -> None:
    """Told what became of writes to the platform, refused ones included.

    Example::

        @hookimpl
        def flags_delivered(deliveries, context):
            for d in deliveries:
                log.info("delivered through %s", d.carrier)
    """


@hookspec
def sync_finished(report: RunReport, context: HookContext) -> None:
    """Told how a sync ended, complete or not.

    Example::

        @hookimpl
        def sync_finished(report, context):
            monitor.beat(report.outcome)
    """
