"""`handrail flags`, `explain`, `client` and `report`: what people read."""

from __future__ import annotations

from pathlib import Path

import click

from ..words import tr, trn
from .app import App, json_option, pass_app


@click.command()
@click.option("--all", "everything", is_flag=True, help="Cleared and withdrawn flags too.")
@click.option("--client", help="Only this client's (the platform's reference, or the name).")
@click.option("--more", is_flag=True, help='Also those behind "more": a client\'s further flags of one form.')
@click.option("--by-hand", is_flag=True, help="The list to enter by hand: neutral texts, and what is to be taken out.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --by-hand: a page to print (.html) or a table (.csv). It holds names: keep it where only you can read.",
)
@click.option("--reasons", is_flag=True, help="With --by-hand: reasons too; for clinicians alone.")
@json_option
@pass_app
def flags(
    app: App,
    everything: bool,
    client: str | None,
    more: bool,
    by_hand: bool,
    out: Path | None,
    reasons: bool,
    as_json: bool,
) -> int:
    """The open flags with their reasons, safety notices on top. With --by-hand: the list to enter by hand."""
    from ..rules import words
    from ..schedule import alarm

    if (out is not None or reasons) and not by_hand:
        raise click.UsageError(tr("-o and --reasons belong to the list to enter by hand: add --by-hand."))
    with app.engine() as engine:
        if late := alarm.stale(engine):
            click.echo(late, err=as_json)
        for sentence in dict.fromkeys((*engine.safety.alarms(hint=False), *engine.safety.notes(hint=False))):
            click.echo(sentence, err=as_json)
        if by_hand:
            from .hand_list import write_list

            return write_list(app, engine, out, reasons=reasons, as_json=as_json)
        found = engine.flags(everything=everything, client=client)
        rows = [row for row in found if row.flag.shown or more or everything]
        hidden = len(found) - len(rows)
        # Ours are known without the rules, whose import costs more than to read the flags.
        titles = engine.registry.titles if any(row.flag.rule not in words.TITLES for row in rows) else {}
    if as_json:
        from ..report.data import flags_json

        app.json(flags_json(rows, titles))
        return 0
    if not rows:
        from ..report import phrases

        click.echo(tr(phrases.NO_FLAG))
        return 0
    from ..report.listing import flags_table

    app.print(flags_table(rows, titles))
    if hidden:
        click.echo(
            trn(
                "{count} more waits behind these: handrail flags --more",
                "{count} more wait behind these: handrail flags --more",
                hidden,
            )
        )
    click.echo(tr("Why: handrail explain FLAG.  Seen: handrail ack FLAG."))
    click.echo(tr("Most flags do not mean that something is wrong."))
    return 0


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="[CLIENT] FLAG")
@json_option
@pass_app
def explain(app: App, names: tuple[str, ...], as_json: bool) -> int:
    """Redo a flag step by step: the forms, the numbers, the constants and where they come from."""
    with app.engine() as engine:
        row = engine.flag(names[-1])
        view = engine.client(names[0]) if len(names) > 1 else None
        if view is not None and row.flag.client != view.key:
            raise click.UsageError(tr("That flag is not this client's."))
        if as_json:
            from ..report.data import flag_json

            app.json(flag_json(row, engine.registry.titles))
            return 0
        from ..report.terminal import explain_text

        courses = (view or engine.client(row.flag.client)).courses
    ids = {form.id for form in row.flag.evidence.forms}
    course = next((c for c in courses if ids & {form.id for form in c.forms}), None)
    app.print(explain_text(row, course))
    return 0


@click.command()
@click.argument("ref")
@json_option
@pass_app
def client(app: App, ref: str, as_json: bool) -> int:
    """One client's course: scores over time with their bands, answers left out, flags, holds."""
    with app.engine() as engine:
        view = engine.client(ref)
        if as_json:
            from ..report.data import client_json

            app.json(client_json(view))
            return 0
        rules = [registered.descriptor for registered in engine.registry.rules.values()]
    from ..report.terminal import client_panels

    app.print(client_panels(view, rules))
    return 0


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("handrail-report.html"),
    show_default=True,
    help="Where to write it. It holds names and answers: keep it where only you can read.",
)
@json_option
@pass_app
def report(app: App, out: Path, as_json: bool) -> int:
    """The practice's page as one HTML file that needs no network and prints well."""
    from ..report import changed, practice

    with app.engine(progress=not as_json) as engine:
        write_report(engine, out)
        facts = {"file": str(out.absolute()), **engine.status(), "figures": practice.facts(engine.figures.read())}
        if as_json:
            courses = [course for key, _ in engine.clients() for course in engine.client(key).courses]
            facts["change"] = changed.facts(changed.read(courses, engine.now()))
    if as_json:
        app.json(facts)
    else:
        click.echo(tr("Written: {file} (readable by you alone; it holds names and answers)", file=out.absolute()))
    return 0


def write_report(engine: object, out: Path) -> None:
    """Writes the report for its owner only, and records that it was made (S31)."""
    from ..engine import Engine
    from ..report.page import report_html
    from .app import author, write_out

    assert isinstance(engine, Engine)  # noqa: S101 - narrows the type for callers outside this package
    html = report_html(engine, as_of=engine.now())
    engine.record(author(), "report-written")  # first: nothing leaves without its line (S41)
    write_out(out, html)
