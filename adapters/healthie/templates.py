"""Our forms as Healthie's templates (custom module forms): made line by line, each found again by its external id."""

from __future__ import annotations

from collections.abc import Mapping

from ...plugin_core.contracts import Published
from ...plugin_core.errors import PlatformError
from ...plugin_core.mapping.texts import same
from ...plugin_core.words import mark, tr
from ...schemas.records import Instrument, Item, Json
from ..ours import Mapped, form_for, version_name
from ..rounds import LOST_FORM, in_rounds
from . import documents
from .graph import Changed, Graph
from .reading import id_in, modules, text_of

PURPOSE = mark("publish questionnaires (custom module forms)")
OURS = "handrail"
LEAD_IN = "lead-in"
PAGE = 100


class Templates:
    """The account's templates.

    :param purpose: what listing them is for, in words.
    """

    def __init__(self, graph: Graph, mapped: Mapped | None, purpose: str) -> None:
        self._graph = graph
        self._mapped = mapped
        self._purpose = purpose

    def all(self) -> list[Json]:
        """Every template that is not deleted, without its lines."""
        rows = self._graph.rows(documents.TEMPLATES, {"first": PAGE}, "customModuleForms", purpose=self._purpose)
        return [row for row in rows if not row.get("deleted_at")]

    def form_for(self, instrument: Instrument) -> str:
        """The id of the template by which a client is asked. Raises Unsupported where there is none."""
        rows = self.all()
        there = {str(row["id"]): str(row["id"]) for row in rows}
        return form_for(instrument, _own(rows, instrument), self._mapped, there, self._graph.site)

    def publish(self, instrument: Instrument) -> Published:
        """Makes the template, or mends the lines that differ; what was half made is completed."""
        patience = self._graph.rest.http.patience
        return in_rounds(patience, self._graph.site, LOST_FORM, lambda: self._publish(instrument))

    def _publish(self, instrument: Instrument) -> Published:
        remote_id = _own(self.all(), instrument)
        changed = remote_id is None
        if remote_id is None:
            body = {
                "name": instrument.title,
                "external_id": version_name(instrument),
                "external_id_type": OURS,
                "prefill": False,
                "use_for_charting": False,
                "use_for_program": False,
            }
            remote_id = self._id(self._change(documents.MAKE_FORM, body), "customModuleForm")
        lines = self._lines(remote_id)
        place = 0
        if instrument.lead_in:
            changed |= self._put(remote_id, lines, LEAD_IN, place, {"label": instrument.lead_in, "mod_type": "label"})
            place += 1
        for index, item in enumerate(instrument.items, place):
            changed |= self._put(remote_id, lines, item.id, index, _line(item), [o.label for o in item.options])
        names = {str(line["external_id"]): str(line["id"]) for line in self._lines(remote_id).values()}
        questions = {item.id: names[item.id] for item in instrument.items}
        return Published(remote_id, instrument.version, remote_id, changed, questions)

    def _put(
        self, form: str, lines: Mapping[str, Json], name: str, index: int, line: Json, options: list[str] | None = None
    ) -> bool:
        """Makes one line, or mends it; gives whether it had to. Options are read back, as their way of writing in a
        new line is not documented."""
        stored = lines.get(name)
        if stored is not None and same(text_of(stored.get("label")) or "", line["label"]) and _fits(stored, options):
            return False
        if stored is None:
            body = {
                "custom_module_form_id": form,
                "external_id": name,
                "external_id_type": OURS,
                "required": False,
                "index": index,
                **line,
            }
            if options is not None:
                body["options"] = "\n".join(options)
            self._id(self._change(documents.MAKE_LINE, body), "customModule")
            stored = self._lines(form).get(name, {})
            if _fits(stored, options):
                return True
        body = {"id": stored.get("id"), "label": line["label"]}
        if options is not None:
            body["options_array"] = options
        self._id(self._change(documents.CHANGE_LINE, body), "customModule")
        if not _fits(self._lines(form).get(name, {}), options):
            raise PlatformError(
                tr(
                    "{site} does not keep the form's answers as they were given. Make it by hand.",
                    site=self._graph.site,
                )
            )
        return True

    def _lines(self, form: str) -> dict[str, Json]:
        """The template's lines by our names for them."""
        data, _ = self._graph.ask(documents.TEMPLATE, {"id": form}, purpose=PURPOSE)
        found = data.get("customModuleForm")
        rows = modules(found) if isinstance(found, dict) else []
        return {str(row["external_id"]): row for row in rows if text_of(row.get("external_id"))}

    def _change(self, document: str, body: Json) -> Changed:
        return self._graph.change(document, {"input": body}, purpose=PURPOSE)

    def _id(self, done: Changed, name: str) -> str:
        made = id_in(done.payload, name)
        if done.failed or made is None:
            raise PlatformError(
                tr("{site} does not accept the form. Make it there by hand, then map it.", site=self._graph.site)
            )
        return made


def _line(item: Item) -> Json:
    line = {"label": item.text, "mod_type": "radio"}
    return {**line, "sublabel": item.hint} if item.hint else line


def _fits(stored: Json, options: list[str] | None) -> bool:
    return options is None or stored.get("options_array") == options


def _own(rows: list[Json], instrument: Instrument) -> str | None:
    name = version_name(instrument)
    ours = [row for row in rows if row.get("external_id_type") == OURS and row.get("external_id") == name]
    return min((str(row["id"]) for row in ours), key=lambda one: (len(one), one), default=None)
