"""How people name a client: by the platform's reference or its id, by name, or by the start of our key."""

from __future__ import annotations

from .errors import UsageError
from .store import Store, forms, merging
from .views import SHORT


def client_key(store: Store, source: int, wanted: str) -> str:
    """Our key of a client; one whose record was merged into another is found under either.

    :raises UsageError: nobody, or more than one, is here by that name.
    """
    by_ref = store.sealer.hash("client", str(source), wanted)
    with store.reading(source) as tx:
        at_once = forms.read_clients(tx, [by_ref, wanted])
        if at_once:
            return next(iter(at_once))
        merged = merging.merged_into(tx)
        everyone = forms.read_clients(tx)
    if by_ref in merged or wanted in merged:
        return merging.resolve(merged, by_ref if by_ref in merged else wanted)
    text = wanted.casefold()
    found = [
        key
        for key, person in everyone.items()
        if person.ref.rpartition("/")[2] == wanted
        or (person.name or "").casefold() == text
        or (len(text) >= SHORT and key.startswith(text))
    ]
    if len(found) != 1:
        many = "No client" if not found else f"{len(found)} clients"
        raise UsageError(f"{many} here by that reference or name. Give the reference as the platform shows it.")
    return found[0]
