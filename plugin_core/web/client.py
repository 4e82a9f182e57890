"""The pre-session page: one client in one glance, and what a person does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from . import here, scope
from .access import SEES_ANSWERS, lets

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

pages = Blueprint("client", __name__)


@pages.get("/client/<client>")
@lets(*SEES_ANSWERS, kinds=("ehr",), framed=True)
def page(client: str) -> ResponseReturnValue:
    """The page of one client."""
    person = scope.person(client)
    view = here.engine().client(person.key)
    here.note("client-viewed", person.key)
    return render_template("client.html", name=view.shown)
