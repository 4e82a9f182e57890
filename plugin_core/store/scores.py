"""Scores as they are sealed: there are few different ones, so each is encoded and decoded once and then found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ...schemas.records import Score
from ...schemas.shared import shared

Plain = tuple[str, float | None, int, int, str, str | None]
MOST = 8192  # different ones, kept ready
_encode = msgspec.json.Encoder().encode
# By identity, since hashing a score costs more than encoding it; the record beside keeps its identity its own.
_encoded: dict[int, tuple[Score, msgspec.Raw]] = {}


def encoded(scores: Mapping[str, Score]) -> list[msgspec.Raw]:
    """Each score as the bytes of a `Plain`. A scorer gives the same few records again and again."""
    found = []
    for score in scores.values():
        known = _encoded.get(id(score))
        if known is None or known[0] is not score:
            if len(_encoded) >= MOST:
                _encoded.clear()
            plain: Plain = (score.name, score.value, score.answered, score.of, score.method, score.reason)
            known = _encoded[id(score)] = score, msgspec.Raw(_encode(plain))
        found.append(known[1])
    return found


def decoded(raw: Iterable[msgspec.Raw]) -> dict[str, Score]:
    """Scores by name from such bytes."""
    return {score.name: score for score in map(_decoded, map(bytes, raw))}


class _Scores(dict[bytes, Score]):
    """Scores by their bytes. A plain look-up, at half of what a cache costs that knows what was used last."""

    def __missing__(self, raw: bytes) -> Score:
        if len(self) >= MOST:
            self.clear()
        score = self[raw] = shared(Score(*msgspec.json.decode(raw)))
        return score


_decoded = _Scores().__getitem__
