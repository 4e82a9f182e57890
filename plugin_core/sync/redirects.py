"""Whose a form is, when that is not the client whose name it bears on the platform: read once a run, few as a rule.

A person said that a form went to the wrong client, or two records of one person were merged: what comes later of that
form or record follows. Forms of clients who were erased here are not read at all.
"""

from __future__ import annotations

from ...schemas.records import Client
from ..store import Store, Tx, book, forms, mend, merging

PLATFORM = "the platform"


class Redirects:
    """The redirects of one source, as of when they were last loaded."""

    def __init__(self, store: Store, source: int) -> None:
        self._store = store
        self._source = source
        self.load()

    def load(self) -> None:
        """Reads them anew: a merge was found in this run."""
        with self._store.reading(self._source) as tx:
            found = mend.redirects_of(tx, mend.FORM, mend.CLIENT)
            self.erased = mend.erased_clients(tx)
        self._forms = {one.key: (one.target, one.stored.ref) for one in found if one.kind == mend.FORM}
        self._records = {one.key: (one.target, one.stored.ref) for one in found if one.kind == mend.CLIENT}
        self.any = bool(found)

    def whose(self, form: str, client: str, ref: str) -> tuple[str, str, str]:
        """The client of a form: their key and reference, and the record that it came with before any merge.

        :param form: our key of the form.
        :param client: our key of the client whom the platform names, `ref` their reference.
        """
        came_with, ref = self._forms.get(form, (client, ref))
        owner, seen = came_with, {came_with}
        while owner in self._records and self._records[owner][0] not in seen:
            owner, ref = self._records[owner]
            seen.add(owner)
        return owner, ref, came_with


def merge_as_told(tx: Tx, source: int, answers: dict[str, Client | None]) -> int:
    """Merges client records that the platform says were replaced by another (F67); gives how many.

    Two records that replace each other are left alone, and so is one that was replaced by a client who was erased here.
    """
    done = 0
    gone = mend.erased_clients(tx)
    for old, client in answers.items():
        if client is None or client.replaced_by is None or client.replaced_by == client.ref:
            continue
        new = tx.sealer.hash("client", str(source), client.replaced_by)
        target = merging.resolve(merging.merged_into(tx), new)
        if target == old or target in gone or not forms.read_clients(tx, [old]):
            continue
        ref = client.replaced_by if target == new else forms.read_clients(tx, [target])[target].ref
        merging.merge(tx, old, client.ref, target, ref, "merged on the platform", PLATFORM)
        book.record(tx, PLATFORM, "clients-merged", old, target)
        done += 1
    return done
