"""`handrail instruments`, `plugins`, `doctor` and `schemas`: what there is, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..words import Texts, mark, tr, trn
from ..words.kept import told
from .app import App, json_option, pass_app, write_out

if TYPE_CHECKING:
    from ..manager import Plugins


def _plugins(app: App) -> tuple[str, ...]:
    """The allowed plugins of the settings; none where there are no settings yet."""
    return app.settings.plugins if app.file.exists() else ()


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def instruments(ctx: click.Context, as_json: bool) -> int | None:
    """What can be asked: our own draft forms and published ones, with their licence."""
    if ctx.invoked_subcommand is not None:
        return None
    from ..instruments.translations import in_language, languages_of
    from ..manager import Plugins
    from ..registry import Registry

    app: App = ctx.obj
    registry = Registry(Plugins(_plugins(app)))
    found = [(r.descriptor, r.plugin) for r in registry.instruments.values()]
    if as_json:
        app.json(
            [
                {
                    "id": i.id,
                    "version": i.version,
                    "title": i.title,
                    "status": i.status,
                    "audience": i.audience,
                    "languages": list(languages_of(i)),
                    "lines": len(i.items),
                    "scores": [score.id for score in i.scores],
                    "licence": i.licence.name,
                    "sha256": i.sha256,
                    "plugin": plugin,
                }
                for i, plugin in found
            ]
        )
        return 0
    rows = [
        (f"{i.id}/{i.version}", in_language(i).title, told(i.status), str(len(i.items)), told(i.licence.name))
        for i, _ in found
    ]
    app.table((tr("id"), tr("title"), tr("status"), tr("lines"), tr("licence")), rows)
    return 0


@instruments.command("export")
@click.argument("instrument")
@click.option("--as", "kind", default="fhir-questionnaire", show_default=True, help="The format.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to (default: standard output)."
)
@click.option("--language", help="In this language (default: the practice's, where there is a translation).")
@pass_app
def export(app: App, instrument: str, kind: str, out: Path | None, language: str | None) -> int:
    """Export a form in a platform's format, to be made there by hand."""
    from ..instruments.translations import in_language, translated
    from ..manager import Plugins
    from ..registry import Registry

    registry = Registry(Plugins(_plugins(app)))
    exports = {name: f for r in registry.adapters.values() for name, f in r.descriptor.exports.items()}
    if kind not in exports:
        raise UsageError(
            tr("There is no format {kind}. There are: {known}.", kind=repr(kind), known=", ".join(sorted(exports)))
        )
    found = registry.instrument(instrument)
    form = in_language(found) if language is None else translated(found, language)
    text = json.dumps(exports[kind](form), ensure_ascii=False, indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        write_out(out, text)
        click.echo(tr("Written: {file}", file=out))
    return 0


@click.group(invoke_without_command=True)
@click.option("--platforms", is_flag=True, help="What can be connected, and how far that was tested.")
@click.option("--markdown", "as_markdown", is_flag=True, help="With --platforms: as the page of the documentation.")
@json_option
@click.pass_context
def plugins(ctx: click.Context, platforms: bool, as_markdown: bool, as_json: bool) -> int | None:
    """What is installed, allowed and loaded, and which hooks it uses."""
    if ctx.invoked_subcommand is not None:
        return None
    from ..manager import Plugins

    app: App = ctx.obj
    known = Plugins(_plugins(app))
    if platforms or as_markdown:
        from .platforms import show

        return show(app, known, as_json=as_json, as_markdown=as_markdown)
    found = known.infos()
    if as_json:
        app.json(
            [
                {
                    "name": info.name,
                    "distribution": info.distribution,
                    "version": info.version,
                    "allowed": info.allowed,
                    "loaded": info.loaded,
                    "hooks": list(info.hooks),
                    "problem": info.problem,
                }
                for info in found
            ]
        )
    else:
        rows = [
            (info.name, f"{info.distribution} {info.version}", _state(info.allowed, info.loaded), ", ".join(info.hooks))
            for info in found
        ]
        app.table((tr("name"), tr("package"), tr("state"), tr("hooks")), rows)
        _platforms(known)
        for info in found:
            if info.problem:
                click.echo(f"{info.label}: {info.problem}")
        if any(not info.allowed for info in found):
            click.echo(
                tr("To load one that is not allowed: handrail plugins allow PACKAGE. It can then do all that you can.")
            )
    return 1 if any(info.allowed and not info.loaded for info in found) else 0


def _platforms(known: Plugins) -> None:
    """The platforms that can be connected, and how each can show flags."""
    from ..registry import Registry

    for name, registered in Registry(known).adapters.items():
        spec = registered.descriptor
        shows = ", ".join(carrier.name for carrier in spec.carriers) or tr("a list to enter by hand")
        click.echo(
            tr("Platform {name}: {title}. Shows flags as: {carriers}.", name=name, title=spec.title, carriers=shows)
        )


def _state(allowed: bool, loaded: bool) -> str:
    if not allowed:
        return tr("not allowed")
    return tr("loaded") if loaded else tr("FAILED")


@plugins.command("allow")
@click.argument("package")
@pass_app
def allow(app: App, package: str) -> int:
    """Let an installed package be loaded. `name==version` allows that version only."""
    from ..manager import Plugins
    from ..settings import save

    known = Plugins(_plugins(app)).infos()
    name, _, version = package.partition("==")
    if not any(info.distribution == name and version in ("", info.version) for info in known):
        raise UsageError(
            tr(
                "No installed package {package} brings plugins for Handrail. Install it beside Handrail first.",
                package=package,
            )
        )
    allowed = [*(entry for entry in app.settings.plugins if entry.partition("==")[0] != name), package]
    save(app.file, {"plugins": allowed})
    click.echo(tr("Allowed: {package}. See: handrail plugins", package=package))
    click.echo(
        tr(
            "If it brings a form: what clients answered on it so far comes with handrail sync --full. If it brings "
            "rules: what they would raise from stored answers is shown by handrail rescore."
        )
    )
    return 0


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write to.")
def schemas(out: Path) -> int:
    """Write the JSON Schema of the instrument file and of the screen formats."""
    from ...schemas.jsonschema import documents

    for name, document in documents().items():
        path = out / name if name.endswith(".json") else out / f"{name}.json"
        write_out(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        click.echo(tr("Written: {file}", file=path))
    return 0


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the platform.")
@click.option("--quiet", is_flag=True, help="Say only what is wrong; for a monitor, which goes by the exit status.")
@click.option("--mail", "letter_to", metavar="ADDRESS", help="Also send a harmless letter there.")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write facts for whoever helps you there: versions, counts, states; no names, paths or messages.",
)
@json_option
@pass_app
def doctor(app: App, offline: bool, quiet: bool, letter_to: str | None, bundle: Path | None, as_json: bool) -> int:
    """Check everything, from the settings to the platform, and say how to mend what is wrong."""
    from ..doctor import examine
    from ..doctor.post import letter

    checks = examine(app.file, offline=offline)
    if bundle is not None:
        from ..doctor.bundle import bundle as facts

        write_out(bundle, json.dumps(facts(app.file, checks), indent=2) + "\n")
        click.echo(tr("Written: {file}", file=bundle), err=as_json)
    if letter_to is not None:
        checks.append(letter(app.file, letter_to))
    bad = [check for check in checks if check.state == "wrong"]
    if as_json:
        app.json([{"check": c.name, "state": c.state, "finding": c.finding} for c in checks])
    else:
        for check in bad if quiet else checks:
            click.echo(f"{_STATES[check.state]:>7}  {_LOOKED_AT.get(check.name, check.name)}: {check.finding}")
        if not quiet:
            click.echo(trn("{count} to mend.", "{count} to mend.", len(bad)) if bad else tr("All is well."))
    return 1 if bad else 0


_STATES = Texts({"ok": mark("ok"), "note": mark("note"), "wrong": mark("wrong")})
_LOOKED_AT = Texts(
    {
        "settings": mark("settings"),
        "files": mark("files"),
        "disk": mark("disk"),
        "time zone": mark("time zone"),
        "schedule": mark("schedule"),
        "plugins": mark("plugins"),
        "store": mark("store"),
        "last sync": mark("last sync"),
        "safety answers": mark("safety answers"),
        "mail": mark("mail"),
        "mail server": mark("mail server"),
        "platform": mark("platform"),
        "programs": mark("programs"),
        "alarm": mark("alarm"),
        "arriving": mark("arriving"),
        "asking clients": mark("asking clients"),
        "clock": mark("clock"),
        "forms": mark("forms"),
        "outbox": mark("outbox"),
        "pushing": mark("pushing"),
        "set aside": mark("set aside"),
        "stored": mark("stored"),
        "test letter": mark("test letter"),
    }
)
