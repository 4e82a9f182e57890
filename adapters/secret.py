"""A value that must not be seen: prints as `***` and cannot be pickled (S12)."""

from __future__ import annotations

from typing import Any, NoReturn


class Secret:
    """Holds a password, token or key. Only `reveal` gives it, so that each use can be found by its name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the header or signature that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:  # `dataclasses.asdict` copies deeply
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not written to files")
