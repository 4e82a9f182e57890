"""`handrail conformance`: the vendor's kit on a real sandbox account, having said first what it will write there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError, UsageError
from ..words import Texts, mark, tr
from .app import App, Progress, json_option, pass_app
from .clickwords import agree
from .setup import _pairs, _typed

if TYPE_CHECKING:
    from ..contracts import AdapterSpec
    from ..testing.live import Wish
    from ..testing.running import Result


@click.command()
@click.argument("adapter")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting of the platform; repeat for more.")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME=REF", help="Where a secret lies: keyring:NAME or file:PATH."
)
@click.option("--client", metavar="REF", help="A client of the sandbox, in whose chart prompts may stand for a moment.")
@click.option("--carrier", "carriers", multiple=True, help="A way to show flags that is to be tried; repeat for more.")
@click.option("--publish", is_flag=True, help="Also make the form gr18 there.")
@click.option("--wrong-key", is_flag=True, help="Also sign in once with a wrong credential.")
@click.option("--yes", is_flag=True, help="Do not ask before writing there.")
@json_option
@pass_app
def conformance(
    app: App,
    adapter: str,
    given: tuple[str, ...],
    secrets: tuple[str, ...],
    client: str | None,
    carriers: tuple[str, ...],
    publish: bool,
    wrong_key: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Run the conformance tests of an adapter on a sandbox account, never on a real practice's."""
    from ..manager import Plugins
    from ..registry import Registry
    from ..testing import live, running
    from .facts import _plugins

    spec = Registry(Plugins(_plugins(app))).adapter(adapter)
    wish = _wish(app, spec, _pairs(given), _pairs(secrets), client, carriers, publish, wrong_key)
    if not _agreed(wish, yes, as_json):
        return 1
    kind = live.live(spec, wish)
    every = len(running.tests_of(kind))
    results = []
    try:
        with Progress(sys.stderr.isatty() and not as_json) as shown:
            for result in running.run(kind):
                results.append(result)
                shown("testing", 1, every)
    finally:  # however it ended
        left = live.tidy_up(kind)
    return _told(app, spec, wish, results, left, as_json)


def _wish(
    app: App,
    spec: AdapterSpec,
    given: dict[str, str],
    secrets: dict[str, str],
    client: str | None,
    carriers: tuple[str, ...],
    publish: bool,
    wrong_key: bool,
) -> Wish:
    """What is asked for, checked by the adapter's own schema before anything is sent."""
    from marshmallow import ValidationError

    from ...schemas.problems import problems
    from ..testing.live import Wish

    fields = spec.settings()().fields
    if unknown := sorted((set(given) | set(secrets)) - set(fields)):
        raise UsageError(tr("{platform} has no setting {name}.", platform=spec.title, name=unknown[0]))
    names = [carrier.name for carrier in spec.carriers]
    if strange := [name for name in carriers if name not in names]:
        raise UsageError(
            tr("There is no carrier named {name} here; there are {forms}.", name=strange[0], forms=", ".join(names))
        )
    if bool(carriers) != bool(client):
        raise UsageError(tr("To try prompts give both: --client REF (a client of the sandbox) and --carrier NAME."))
    settings = {name: _typed(fields[name], text) for name, text in given.items()}
    try:
        spec.settings()().load({**settings, **secrets})
    except ValidationError as error:
        said = "; ".join(line.rstrip(".") for line in problems(error, str))
        raise SettingsError(tr("The settings of {title} are wrong: {lines}.", title=spec.title, lines=said)) from None
    held = {name: _secret(app, reference) for name, reference in secrets.items()}
    address = next((name for name in ("base_url", "api_url", "address") if name in fields), None)
    return Wish(settings, held, client, carriers, publish, wrong_key, address)


def _secret(app: App, reference: str) -> str:
    from ..settings import reference_in
    from ..store import keys

    return keys.read(reference_in(app.file.parent, reference)).reveal()


def _agreed(wish: Wish, yes: bool, as_json: bool) -> bool:
    """Says what will be written there, and asks; where nobody can be asked the command must say yes itself."""
    writes = wish.writes()
    if not as_json:
        click.echo(tr("This reads from the account, and writes there:"))
        for sentence in writes or [tr("nothing.")]:
            click.echo(f"  {sentence}")
    if not writes or yes:
        return True
    if as_json or not sys.stdin.isatty():
        raise UsageError(tr("This would write to the account. Say that it may: --yes"))
    agreed = agree(tr("Is this a sandbox account, and may it write there?"))
    if not agreed:
        click.echo(tr("Nothing was done. To do it, run the same with --yes"))
    return agreed


def _told(app: App, spec: AdapterSpec, wish: Wish, results: list[Result], left: list[str], as_json: bool) -> int:
    failed = [one for one in results if one.outcome == "failed"]
    if as_json:
        rows: list[dict[str, Any]] = [
            {"test": one.test, "why": one.why, "outcome": one.outcome, "said": one.said} for one in results
        ]
        app.json({"adapter": spec.name, "writes": wish.writes(), "tests": rows, "left_there": left})
    else:
        table = [(_OUTCOMES[one.outcome], _words(one.test), one.said) for one in results]
        app.table((tr("outcome"), tr("test"), tr("what")), table)
        for sentence in left:
            click.echo(sentence)
        click.echo(
            tr(
                "{passed} passed, {failed} failed, {rest} not applicable on a real account.",
                passed=sum(one.outcome == "passed" for one in results),
                failed=len(failed),
                rest=sum(one.outcome == "not applicable" for one in results),
            )
        )
    return 1 if failed or left else 0


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


_OUTCOMES = Texts({"passed": mark("passed"), "failed": mark("FAILED"), "not applicable": mark("not applicable")})
