"""Answers of a platform with something odd in one place: what a reader must survive."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value inside."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


@st.composite
def odd(draw: st.DrawFn, whole: Any) -> Any:
    """The whole with any JSON in one or two of its places."""
    changed = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(changed))))
        value = draw(JSON)
        if not path:
            return value if isinstance(value, dict) else {}
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
    return changed
