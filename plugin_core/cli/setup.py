"""`handrail init`, `connect` and `publish`: from nothing to a connected platform. Each works by options alone, and asks
on a terminal for what is missing."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError, UsageError
from ..words import mark, speak, tr
from .app import App, author, json_option, pass_app
from .clickwords import agree

if TYPE_CHECKING:
    from ..contracts import AdapterSpec, CarrierSpec, Identity
    from ..engine import Engine
    from ..settings import Settings


KEPT_HERE = mark("Flags stay in Handrail (handrail flags). To show them on the platform, connect again with --push.")
BY_HAND = mark("Flags cannot be shown there. They are entered by hand: handrail flags --by-hand -o FILE.html")
NEXT_PUBLISH = mark("Next: handrail publish gr18   then   handrail sync")
NEXT_SYNC = mark("Next: handrail sync")
KEYRING = mark("Key:      in this computer's keyring")
COPY = mark("Keep a copy of the key in another place than the store's backup: without it the store stays closed.")
NO_ZONE = mark(
    "Days and hours are those of UTC, since this computer does not tell its own zone. Set time_zone in the settings."
)


def _on_terminal() -> bool:
    return sys.stdin.isatty()


@click.command()
@click.option("--practice", default="practice", show_default=True, help="A short id of the practice (a-z, 0-9, dash).")
@click.option("--name", default="", help="The practice's name, for the report's head.")
@click.option("--time-zone", help="Such as Europe/Zurich (default: this computer's).")
@click.option("--country", default="", help="Where the practice is.")
@click.option("--language", default="en", show_default=True, help="What clinicians and clients read: en or de.")
@click.option(
    "--store", default="sqlite:///handrail.db", show_default=True, help="Where the store is: SQLite or PostgreSQL."
)
@click.option(
    "--key-file", is_flag=True, help="Keep the store's key in a file that only you can read, not in the keyring."
)
@json_option
@pass_app
def init(
    app: App,
    practice: str,
    name: str,
    time_zone: str | None,
    country: str,
    language: str,
    store: str,
    key_file: bool,
    as_json: bool,
) -> int:
    """Make the settings file, the store, and its key in the system's keyring (or, with --key-file, in a file)."""
    from ..settings import load, save
    from ..store import Store, keys
    from ..zones import local_zone

    speak(language)
    if app.file.exists():
        raise UsageError(tr("There are settings already at {file}. Nothing was changed.", file=app.file))
    reference = "file:handrail.key" if key_file else f"keyring:store-{practice}"
    real = f"file:{app.file.parent / 'handrail.key'}" if key_file else reference
    if not keys.exists(real):
        keys.write(real, keys.make_master())
    here = time_zone or local_zone()
    chosen = {
        "practice": practice,
        "name": name,
        "time_zone": here or "UTC",
        "country": country,
        "language": language,
        "store": store,
        "key": reference,
    }
    save(app.file, chosen)
    try:
        settings = load(app.file)
        Store(settings.store_url, settings.practice, keys.master(settings.key_reference), create=True).close()
    except BaseException:
        app.file.unlink(missing_ok=True)  # nothing half made: the next init starts clean; a made key is kept
        raise
    _made(app, settings, key_file, here, as_json)
    return 0


def _made(app: App, settings: Settings, key_file: bool, zone: str | None, as_json: bool) -> None:
    where = "the file handrail.key beside them" if key_file else "this computer's keyring"
    place = settings.store_url.split("@")[-1]
    if as_json:
        app.json({"settings": str(app.file), "store": place, "key": where})
        return
    speak(settings.language)
    click.echo(tr("Settings: {file}", file=app.file))
    click.echo(tr("Store:    {place} (sealed)", place=place))
    click.echo(tr("Key:      in the file handrail.key beside them") if key_file else tr(KEYRING))
    click.echo(tr("Days and hours are those of {zone}.", zone=zone) if zone else tr(NO_ZONE))
    click.echo(tr(COPY))
    click.echo(tr("Next: handrail connect PLATFORM   (handrail plugins shows which there are)"))


# --- connect -------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("platform")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting of the platform; repeat for more.")
@click.option(
    "--secret", "secrets", multiple=True, metavar="NAME=REF", help="Where a secret lies: keyring:NAME or file:PATH."
)
@click.option("--push/--no-push", default=None, help="Whether flags are to be shown on the platform.")
@click.option("--carrier", "carriers", multiple=True, help="How flags are shown there; repeat for more.")
@click.option("--reasons/--no-reasons", default=False, help="Show reasons too (clinicians' carriers only).")
@click.option(
    "--confirm", "confirm_all", is_flag=True, help="Confirm every proposed mapping that is complete and sure."
)
@click.option("--remap", metavar="FORM", help="Go through the mapping of this form anew (its id or title).")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="NAME=VALUE",
    help="An answer to what the platform asks about itself (files: dates=dmy); repeat for more.",
)
@click.option("--login/--no-login", default=None, help="Sign a person in anew; by default where it is needed.")
@click.option("--moved", is_flag=True, help="The practice has moved to another server: take the new one for the old.")
@json_option
@pass_app
def connect(
    app: App,
    platform: str,
    given: tuple[str, ...],
    secrets: tuple[str, ...],
    push: bool | None,
    carriers: tuple[str, ...],
    reasons: bool,
    confirm_all: bool,
    remap: str | None,
    answers: tuple[str, ...],
    login: bool | None,
    moved: bool,
    as_json: bool,
) -> int:
    """Connect the practice's platform: ask for what it needs, test it, and confirm how its forms are read."""
    from ..engine import Engine
    from ..settings import Connection
    from .dialogue import arranged
    from .login import sign_in
    from .mapping import Walk

    with Engine(app.settings) as engine:
        spec = engine.registry.adapter(platform)
        _no_other(app, platform)
        old = app.settings.platform if app.settings.platform and app.settings.platform.platform == platform else None
        settings, references = _ask(app, spec, _pairs(given), _pairs(secrets), old)
        connection = Connection(platform, settings, references)
        pushing = _pushing(spec, push, carriers, reasons, app)
    with Engine(replace(app.settings, platform=connection, push=pushing)) as engine:
        sign_in(engine, spec, connection, login, terminal=_on_terminal())
        terminal = _on_terminal() and not as_json
        dialogue, still_open = arranged(app, engine, _pairs(answers), confirm_all, terminal=terminal, silent=as_json)
        identity = engine.identity()
        _accept(engine, identity, moved=moved)
        _save(app, connection, pushing.on, pushing.carriers, pushing.reasons)
        walk = Walk(app, engine, confirm_all=confirm_all, terminal=terminal, remap=remap)
        if spec.capabilities.lists_forms:
            walk.run()
        engine.record(author(), "platform-connected")
        silent = engine.collecting.cannot_ask()
    facts = {
        "platform": platform,
        "server": f"{identity.title} {identity.version}".strip(),
        "notes": list(identity.notes),
        "push": pushing.on,
        "can_show": bool(spec.carriers),
        "can_publish": spec.capabilities.publishes,
        "carriers": list(pushing.carriers),
        "settled": dialogue.shown,
        "still_open": still_open,
        "mappings_confirmed": walk.confirmed,
        "mappings_left": walk.left,
        "mappings": walk.facts,
        "asking": silent,
    }
    tell = app.json if as_json else _tell
    tell(facts)
    return 0


def _accept(engine: Engine, identity: Identity, *, moved: bool) -> None:
    """Takes the server that answers; another than before only where a person says that the practice has moved."""
    known = engine.store.fingerprint(engine.source)
    if known not in (None, identity.fingerprint) and not moved:
        raise UsageError(
            tr("Another server answers than the one this store was filled from. If the practice moved, add --moved.")
        )
    engine.accept_server(identity)


def _tell(facts: Mapping[str, Any]) -> None:
    click.echo(tr("Connected: {server}", server=facts["server"]))
    for note in facts["notes"]:
        click.echo("  " + tr("Note: {what}", what=note))
    if facts["push"]:
        click.echo(tr("Flags will be shown there as: {carriers}.", carriers=", ".join(facts["carriers"])))
    else:
        click.echo(tr(KEPT_HERE) if facts["can_show"] else tr(BY_HAND))
    for sentence in facts["still_open"]:
        click.echo(tr("Still open: {what}", what=sentence))
    for name in facts["mappings_confirmed"]:
        click.echo(tr("Mapping confirmed: {form}", form=name))
    for name in facts["mappings_left"]:
        click.echo(tr("Not mapped: {form}", form=name))
    if facts["asking"]:
        click.echo(facts["asking"])
    click.echo(tr(NEXT_PUBLISH) if facts["can_publish"] else tr(NEXT_SYNC))


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageError(tr("Give settings and secrets as NAME=VALUE."))
        pairs[name.strip()] = value.strip()
    return pairs


def _ask(
    app: App, spec: AdapterSpec, given: dict[str, str], secrets: dict[str, str], old: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """The platform's settings and references to its secrets: from options, from before, else asked for."""
    from .login import kept_by_login

    fields = spec.settings()().fields
    unknown = sorted((set(given) | set(secrets)) - set(fields))
    if unknown:
        raise UsageError(
            tr(
                "{platform} has no setting {name}. {hint}",
                platform=spec.title,
                name=unknown[0],
                hint=_nearest(unknown[0], fields),
            )
        )
    plain = sorted(name for name in given if fields[name].metadata.get("secret"))
    if plain:
        raise SettingsError(tr("{name} is a secret: give where it lies with --secret {name}=file:PATH.", name=plain[0]))
    settings: dict[str, Any] = dict(old.settings) if old else {}
    references: dict[str, str] = dict(old.secrets) if old else {}
    for name, field in fields.items():
        if field.metadata.get("secret"):
            if name in secrets:
                references[name] = secrets[name]
            elif name not in references:
                _ask_secret(app, spec, name, field, settings, references)
        elif name in given:
            settings[name] = _typed(field, given[name])
        elif name not in settings and (field.required or (_on_terminal() and _to_ask(field, settings, old))):
            settings[name] = _typed(field, _prompt(name, field))
    for name in kept_by_login(spec, settings):
        references.setdefault(name, _place(app, spec, name))
    return settings, references


def _nearest(name: str, known: Collection[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return tr("Did you mean {name}?", name=near[0]) if near else tr("It has: {names}.", names=", ".join(known))


def _to_ask(field: Any, settings: Mapping[str, Any], old: Any) -> bool:
    """Whether a person is asked for a setting that has a default: how to sign in, once, and what that way needs."""
    if field.metadata.get("choices"):
        return old is None
    return settings.get("auth") in field.metadata.get("needed_for", ())


def _prompt(name: str, field: Any) -> str:
    if not _on_terminal():
        raise SettingsError(
            tr(
                "The setting {name} is missing ({meaning}). Give: --set {name}=VALUE",
                name=name,
                meaning=tr(field.metadata.get("help", "")),
            )
        )
    click.echo(tr(field.metadata.get("help", "")))
    if choices := field.metadata.get("choices"):
        return str(click.prompt(name, type=click.Choice(list(choices)), default=field.load_default))
    return str(click.prompt(name))


def _no_secret(name: str, field: Any) -> SettingsError:
    return SettingsError(
        tr(
            "The secret {name} is missing ({meaning}). Put it into a file that only you can read, and give: --secret "
            "{name}=file:PATH",
            name=name,
            meaning=tr(field.metadata.get("help", "")),
        )
    )


def _ask_secret(
    app: App, spec: AdapterSpec, name: str, field: Any, settings: Mapping[str, Any], references: dict[str, str]
) -> None:
    """Asks for a secret that the chosen way of signing in needs, and stores it where the store's key lies too."""
    from ..store import keys

    if not _on_terminal():
        if field.required:
            raise _no_secret(name, field)
        return
    needed_for = field.metadata.get("needed_for")
    if field.metadata.get("by_login") or (needed_for is not None and settings.get("auth") not in needed_for):
        return
    click.echo(tr(field.metadata.get("help", "")))
    asked = tr("{name} (not shown; leave empty if not needed)", name=name)
    value = click.prompt(asked, hide_input=True, default="", show_default=False)
    if not value:
        return
    references[name] = _place(app, spec, name)
    keys.write(app.settings.reference(references[name]), value)


def _place(app: App, spec: AdapterSpec, name: str) -> str:
    """The reference under which a secret of the platform is kept: where the store's key lies, too."""
    if app.settings.key.startswith("keyring:"):
        return f"keyring:{app.settings.practice}-{spec.name}-{name}"
    return f"file:{spec.name}-{name}.secret"


def _typed(field: Any, text: str) -> Any:
    """A setting given as text, as the type that its field wants; the schema judges it afterwards."""
    from marshmallow import fields as kinds

    if isinstance(field, kinds.Boolean):
        return text.casefold() in ("true", "yes", "on", "1")
    if isinstance(field, kinds.Integer):
        return int(text) if text.lstrip("-").isdigit() else text
    if isinstance(field, kinds.Float):
        return float(text) if text.replace(".", "", 1).lstrip("-").isdigit() else text
    if isinstance(field, kinds.List):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _pushing(spec: AdapterSpec, push: bool | None, carriers: tuple[str, ...], reasons: bool, app: App) -> Any:
    """Pushing is off until somebody says yes to it and to a carrier by name, having read who will see it."""
    from ..settings import Pushing

    known = {carrier.name: carrier for carrier in spec.carriers}
    wrong = [name for name in carriers if name not in known]
    if wrong:
        has = ", ".join(known) or tr("none")
        raise UsageError(
            tr("{platform} has no carrier {name}. It has: {known}.", platform=spec.title, name=wrong[0], known=has)
        )
    if push is None and not carriers:
        if not (_on_terminal() and known):
            return app.settings.push
        return _ask_pushing(spec, known)
    if push is False:
        return Pushing()
    if not carriers:
        raise UsageError(tr("Say how flags are to be shown: --carrier with one of {known}.", known=", ".join(known)))
    shown = tuple(name for name in carriers if reasons and known[name].clinicians_only)
    if reasons and not shown:
        raise UsageError(tr("Reasons are shown only on carriers that clinicians alone see; these are not."))
    return Pushing(True, carriers, shown)


def _ask_pushing(spec: AdapterSpec, known: Mapping[str, CarrierSpec]) -> Any:
    from ..settings import Pushing

    click.echo(tr("Handrail can show flags on {platform}, with a neutral title and no answers:", platform=spec.title))
    for carrier in known.values():
        said = {"carrier": carrier.name, "title": tr(carrier.title), "who": tr(carrier.seen_by)}
        click.echo("  " + tr("{carrier}: {title}. Seen by: {who}", **said))
    if not agree(tr("Show flags on the platform?"), default=False):
        return Pushing()
    name = click.prompt(tr("Which"), type=click.Choice(list(known)))
    return Pushing(True, (name,), ())


def _save(app: App, connection: Any, on: bool, carriers: tuple[str, ...], reasons: tuple[str, ...]) -> None:
    from ..settings import save

    save(
        app.file,
        {
            "platform.name": connection.platform,
            "platform.settings": dict(connection.settings),
            "platform.secrets": dict(connection.secrets),
            "push.on": on,
            "push.carriers": list(carriers),
            "push.reasons": list(reasons),
        },
    )


def _no_other(app: App, platform: str) -> None:
    """Refuses a second platform: what waits for the first (a safety answer that nobody has seen, a flag that stands
    there) would be told to nobody and taken back by nobody."""
    now = app.settings.platform
    if now is not None and now.platform != platform:
        raise UsageError(
            tr(
                "The platform {now} is connected. First take back what was pushed there and leave it: handrail "
                "disconnect --retract-all",
                now=now.platform,
            )
        )


@click.command()
@click.argument("instrument")
@click.option("--language", help="In this language (default: the practice's, where there is a translation).")
@json_option
@pass_app
def publish(app: App, instrument: str, language: str | None, as_json: bool) -> int:
    """Make or update a form (such as gr18) on the platform, so that it can be sent to clients there."""
    from ..instruments.translations import in_language, translated

    with app.engine(progress=not as_json) as engine:
        form = engine.registry.instrument(instrument)
        made = engine.publish(in_language(form) if language is None else translated(form, language))
    if as_json:
        app.json({"form": made.form, "version": made.version, "id": made.remote_id, "changed": made.changed})
    else:
        told = mark("Published: {form} version {version}")
        same = mark("There already, unchanged: {form} version {version}")
        click.echo(tr(told if made.changed else same, form=made.form, version=made.version))
    return 0
