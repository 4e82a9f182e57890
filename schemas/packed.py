"""Records of many small parts, as they go from one process to another: as one text, at half the cost of each part."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class Packed:
    """A frozen dataclass below this is pickled as its JSON: equal to what it was, each time in its own offset."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (type(self), _encode(self))


def _unpacked(kind: type, packed: bytes) -> Any:
    return _decoder(kind).decode(packed)


@cache
def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
