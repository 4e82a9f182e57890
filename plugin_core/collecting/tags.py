"""Puts a client's tags (under-age, proxy, interpreter, couple) on their forms, as rules read them (clinical.md 3.7).

Stored answers are not touched: a tag that is taken off an enrolment, or read after all, is so for every form. A tag
that the setting `read_tags` names becomes `...-read`: still seen by people, and no ground to keep a form apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ...schemas.records import ScoredForm
from ..store import Tx, enrolments

Series = Mapping[str, list[tuple[str, str, ScoredForm]]]
READ = "{tag}-read"


def with_tags(tx: Tx, series: Series, read: Collection[str]) -> dict[str, list[tuple[str, str, ScoredForm]]]:
    """The forms of clients (our key -> instrument, version, form) with the tags of their enrolments.

    :param read: tags whose forms the change rules shall read all the same.
    """
    ours = enrolments.tags_of(tx, list(series))
    named = frozenset(read)
    return {
        client: [(instrument, version, _tagged(form, tags, named)) for instrument, version, form in forms]
        if (tags := ours.get(client)) or named
        else forms
        for client, forms in series.items()
    }


def _tagged(form: ScoredForm, ours: frozenset[str] | None, read: frozenset[str]) -> ScoredForm:
    tags = form.tags | (ours or frozenset())
    if not tags.isdisjoint(read):
        tags = (tags - read) | {READ.format(tag=tag) for tag in tags & read}
    return form if tags == form.tags else replace(form, tags=tags)
