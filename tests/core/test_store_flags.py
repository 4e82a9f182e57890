"""Flags in the store: what a standing flag rests on."""

from __future__ import annotations

from dataclasses import replace

from handrail.plugin_core.store import Store, flags

from .samples import flag


def test_what_a_flag_rests_on_is_known_by_what_was_written_last(store: Store, source: int) -> None:
    """Mistaken for unchanged, a flag would keep numbers that an amended form has made wrong; mistaken for changed, the
    evidence of all flags would be made anew at each look. No text of a plugin's may pass for it."""
    basis, other = "0123456789abcdef" * 2, "f" * 32
    known, unknown = flag("known", "client"), flag("unknown", "client")
    evidence = replace(known.evidence, clears_when=f'"basis":"{basis}"}}')
    sly = replace(flag("sly", "client"), evidence=evidence)
    items = [(one, "prompt") for one in (known, unknown, sly)]
    store.write(lambda tx: flags.save(tx, items, {"known": basis, "sly": other}), source)
    with store.reading(source) as tx:
        found = flags.standing(tx, ["known", "unknown", "sly"])
    assert {key: found[key].whole().basis for key in found} == {"known": basis, "unknown": "", "sly": other}
    assert [key for key in found if found[key].is_of(basis)] == ["known"]
    assert [key for key in found if found[key].is_of(other)] == ["sly"]
