"""Sealing: what is stored opens only where it was put, and look-up hashes say nothing outside this store."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import asdict, dataclass

import pytest
from handrail.plugin_core.errors import SealBroken
from handrail.plugin_core.store import seal
from hypothesis import given
from hypothesis import strategies as st

KEYS = {1: b"1" * 32, 2: b"2" * 32}
PLACES = st.text(st.characters(codec="utf-8"), max_size=40)


def sealer(practice: str = "p", keys: dict[int, bytes] | None = None) -> seal.Sealer:
    return seal.Sealer(practice, keys or KEYS)


@given(place=PLACES, plain=st.binary(max_size=300))
def test_what_was_sealed_opens_at_its_place(place: str, plain: bytes) -> None:
    """Else the practice loses its data."""
    assert sealer().open(place, sealer().seal(place, plain)) == plain


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork: nothing to share")
def test_a_forked_process_takes_nonces_of_its_own() -> None:
    """One nonce twice under one key would give both plaintexts away."""
    ours = sealer()
    ours.seal("t:1:a", b"fills the stock")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(ours.seal("t:1:a", b"x")[3:15] for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 1200)
    assert len(theirs) == 1200
    mine = [ours.seal("t:1:a", b"x")[3:15] for _ in range(seal.NONCES)]
    assert len({*mine, *(theirs[at : at + 12] for at in range(0, 1200, 12))}) == seal.NONCES + 100


@given(place=PLACES, other=PLACES, plain=st.binary(max_size=60))
def test_s16_a_value_moved_to_another_row_does_not_open(place: str, other: str, plain: bytes) -> None:
    """Else one client's answers could be made another's with an UPDATE."""
    sealed = sealer().seal(place, plain)
    if place != other:
        with pytest.raises(SealBroken, match="belongs to another row"):
            sealer().open(other, sealed)


@given(plain=st.binary(min_size=1, max_size=60), data=st.data())
def test_s16_an_edited_byte_is_noticed(plain: bytes, data: st.DataObject) -> None:
    """Any one byte, of version, key id, nonce, text or tag."""
    sealed = bytearray(sealer().seal("t:1:a", plain))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealBroken):
        sealer().open("t:1:a", bytes(sealed))


@given(cut=st.integers(0, 40))
def test_s16_a_value_cut_short_is_noticed(cut: int) -> None:
    """Shorter than its nonce it must end in our sentence too, not in an error of the cipher library."""
    whole = sealer().seal("t:1:a", b"plain text here")
    with pytest.raises(SealBroken):
        sealer().open("t:1:a", whole[: min(cut, len(whole) - 1)])


def test_s16_the_message_names_the_row_and_not_what_was_in_it() -> None:
    """A reader must know where, and must not be shown what."""
    with pytest.raises(SealBroken, match=r"responses:1:ab12") as caught:
        sealer().open("responses:1:ab12", sealer().seal("responses:1:cd", b"zebrafinch"))
    assert "zebrafinch" not in str(caught.value)


def test_s17_old_values_open_after_a_new_key_came_and_new_ones_name_it() -> None:
    """A rotation goes on while the practice works: both keys must do."""
    old = sealer(keys={1: b"1" * 32})
    both = sealer(keys=KEYS)
    assert both.open("a", old.seal("a", b"x")) == b"x"
    assert both.seal("a", b"x")[1:3] == (2).to_bytes(2, "big")
    with pytest.raises(SealBroken):
        old.open("a", both.seal("a", b"x"))


def test_s17_look_up_hashes_survive_a_rotation() -> None:
    """Else every client would be a new client after it."""
    old, both = sealer(keys={1: b"1" * 32}), sealer(keys=KEYS)
    assert old.hash("client", "7") == both.hash("client", "7")
    assert old.fingerprint(b"content") == both.fingerprint(b"content")


def test_s27_hashes_differ_between_installations() -> None:
    """Else one practice's list of hashes could be matched with another's."""
    assert sealer(keys={1: b"1" * 32}).hash("a") != sealer(keys={1: b"3" * 32}).hash("a")


@given(
    parts=st.lists(st.text(max_size=6), min_size=1, max_size=4),
    other=st.lists(st.text(max_size=6), min_size=1, max_size=4),
)
def test_hash_keeps_parts_apart(parts: list[str], other: list[str]) -> None:
    """("ab", "c") and ("a", "bc") are two clients. Any text does, lone surrogates too (F52)."""
    assert (sealer().hash(*parts) == sealer().hash(*other)) == (parts == other)


def test_two_seals_of_one_text_differ() -> None:
    """Equal answers must not look equal in the file."""
    assert len({sealer().seal("a", b"same") for _ in range(50)}) == 50


def test_s18_a_key_does_not_unwrap_with_another_master_or_for_another_practice() -> None:
    """Else a practice's rows could be opened with a neighbour's key."""
    wrapped = seal.wrap(b"m" * 32, "p", 1, b"k" * 32)
    assert seal.unwrap(b"m" * 32, "p", 1, wrapped) == b"k" * 32
    assert seal.unwrap(b"n" * 32, "p", 1, wrapped) is None
    assert seal.unwrap(b"m" * 32, "q", 1, wrapped) is None
    assert seal.unwrap(b"m" * 32, "p", 2, wrapped) is None
    assert seal.unwrap(b"m" * 32, "p", 1, wrapped[:7]) is None


def test_s12_a_sealer_shows_and_gives_away_nothing() -> None:
    """A crash report or a log line may print any object."""

    @dataclass
    class Holder:
        sealer: seal.Sealer

    found = sealer()
    assert repr(found) == str(found) == f"{found}" == "Sealer(***)"
    with pytest.raises(TypeError):
        pickle.dumps(found)
    with pytest.raises(TypeError):
        json.dumps(found)
    with pytest.raises(TypeError):
        asdict(Holder(found))
