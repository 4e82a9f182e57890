"""`handrail serve`: the desk in a browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..words import tr
from .app import App, author, pass_app

if TYPE_CHECKING:
    from ..settings import Settings
    from ..web.desk import Desk


@click.command()
@click.option("--host", help="Where to listen (default: this machine alone, or as in the settings).")
@click.option("--port", type=click.IntRange(1, 65535), help="On which port (default: 8737, or as in the settings).")
@click.option("--new-password", metavar="NAME", help="Print a link with which this account sets a new password.")
@pass_app
def serve(app: App, host: str | None, port: int | None, new_password: str | None) -> int:
    """Open the desk: clinicians read, acknowledge and hold in a browser. Stop it with Ctrl-C.

    The first start prints a one-time link with which the administrator's account is made.
    """
    needs_web()
    settings = placed(app.settings, host, port)
    from ..web.desk import Desk

    desk = Desk(settings)
    run(desk, None if new_password is None else _renewed(desk, new_password))
    return 0


def _renewed(desk: Desk, login: str) -> str:
    """A link for the account of that name: the way back in for an administrator who has lost the password.

    :raises UsageError: there is no such account.
    """
    from ..web.serving import address_of
    from ..web.staff import Staff, folded

    with desk.engine() as engine:
        staff = Staff(engine)
        found = next((one.key for one in staff.everybody() if one.login == folded(login)), "")
        return f"{address_of(desk)}/link/{staff.renew(found, author())}"


def placed(settings: Settings, host: str | None, port: int | None) -> Settings:
    """The settings with another place to listen."""
    web = replace(settings.web, host=host or settings.web.host, port=port or settings.web.port)
    return replace(settings, web=web)


def run(desk: Desk, link: str | None = None) -> None:
    """Serves until Ctrl-C; says where, and prints the link that lets the first person in."""
    from ..web.serving import address_of, first_link
    from ..web.serving import serve as run_desk

    def begun() -> None:
        click.echo(tr("The desk: {address}   (stop it with Ctrl-C)", address=address_of(desk)))
        first = link or first_link(desk)
        if first is not None:
            click.echo(tr("Open this link once to come in: {link}", link=first))

    run_desk(desk, begun)


def needs_web() -> None:
    """Says what to install where the desk's libraries are missing.

    :raises UsageError: one of them is not there.
    """
    from importlib.util import find_spec

    if missing := [name for name in ("flask", "waitress", "argon2", "flask_smorest") if find_spec(name) is None]:
        raise UsageError(
            tr(
                'The desk needs libraries that are not installed ({names}). Run: pipx inject handrail "handrail[web]"',
                names=", ".join(missing),
            )
        )
