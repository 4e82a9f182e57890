"""Our forms as patient form templates: made, brought up to date, and found again by their name."""

from __future__ import annotations

from collections import Counter

from ...plugin_core.contracts import Published
from ...plugin_core.errors import PlatformError, Unsupported
from ...plugin_core.mapping.texts import plain
from ...plugin_core.words import mark, tr
from ...schemas.records import Instrument, Json
from ..ours import Mapped, form_for, version_name
from ..rest import Rest, part
from ..rounds import LOST_FORM, in_rounds
from .reading import LONGEST_NAME, form_name, labels, question_name, text_of
from .settings import id_of, objects, rows

TEMPLATES = "patient_form_templates"
PURPOSE = mark("publish questionnaires (patient form templates)")


class Templates:
    """The account's templates.

    :param mapped: the forms that a person has confirmed, see `AdapterContext.mapped`.
    """

    def __init__(self, rest: Rest, mapped: Mapped | None) -> None:
        self._rest = rest
        self._mapped = mapped

    def publish(self, instrument: Instrument) -> Published:
        """Makes the template, or changes it where it differs. Raises Unsupported for lines that are too long."""
        wanted = content_of(instrument)
        if any(len(item.text) > LONGEST_NAME for item in instrument.items):
            raise Unsupported(tr("Cliniko takes questions of up to 255 letters; the form has a longer one."))
        return in_rounds(
            self._rest.http.patience, self._rest.base.site, LOST_FORM, lambda: self._publish(instrument, wanted)
        )

    def _publish(self, instrument: Instrument, wanted: Json) -> Published:
        name = name_of(instrument)
        found = next((row for row in self._all() if form_name(row) == plain(name)), None)
        names = {item.id: question_name("", item.text) for item in instrument.items}
        if found is not None and _shape(found) == _shape({"content": wanted}):
            return Published(plain(name), instrument.version, str(id_of(found.get("id"))), False, names)
        body = {"name": name, "content": wanted}
        if found is None:
            more = {"email_to_patient_on_completion": False, "restricted_to_practitioner": False}
            answer = self._rest.send("POST", TEMPLATES, {**body, **more}, purpose=PURPOSE)
        else:
            path = f"{TEMPLATES}/{part(str(id_of(found.get('id'))))}"
            answer = self._rest.send("PATCH", path, body, purpose=PURPOSE)
        remote_id = id_of(answer.data.get("id")) if isinstance(answer.data, dict) else None
        if remote_id is None:
            raise PlatformError(tr("{site} did not say under which id it keeps the form.", site=self._rest.base.site))
        return Published(plain(name), instrument.version, remote_id, True, names)

    def template_for(self, instrument: Instrument) -> tuple[str, str]:
        """Id and name of the template by which a client is asked: our own, else the one mapped form of this kind.

        :raises Unsupported: there is none, or more than one.
        """
        there = {form_name(row): str(id_of(row.get("id"))) for row in self._all()}
        name = form_for(instrument, plain(name_of(instrument)), self._mapped, there, self._rest.base.site)
        return there[name], name

    def _all(self) -> list[Json]:
        found = rows(self._rest, TEMPLATES, (), PURPOSE)
        return [row for row in found if not row.get("archived_at") and id_of(row.get("id"))]


def name_of(instrument: Instrument) -> str:
    """The template's name, with id and version: an answered form is known by it alone."""
    return f"{instrument.title} ({version_name(instrument)})"


def content_of(instrument: Instrument) -> Json:
    """The template's content: one section, each line with its options to tick; no line must be answered."""
    twice = [text for text, number in Counter(plain(item.text) for item in instrument.items).items() if number > 1]
    if twice:
        raise Unsupported(tr("Two lines of the form have the same text; Cliniko could not tell them apart."))
    hints = [f"{number}. {item.hint}" for number, item in enumerate(instrument.items, 1) if item.hint]
    asked = [
        {
            "name": item.text,
            "type": "radiobuttons",
            "required": False,
            "answers": [{"value": option.label} for option in item.options],
            "other": {"enabled": False},
        }
        for item in instrument.items
    ]
    return {"sections": [{"name": "", "description": "\n".join([instrument.lead_in, *hints]), "questions": asked}]}


def _shape(row: Json) -> list[object]:
    """What counts of a template: its sections' words, and its questions with type and options."""
    return [
        (
            plain(text_of(section.get("name")) or ""),
            plain(text_of(section.get("description")) or ""),
            [(plain(text_of(q.get("name")) or ""), q.get("type"), labels(q)) for q in objects(section, "questions")],
        )
        for section in objects(row.get("content"), "sections")
    ]
