"""S23: the net over every test's log lines is not torn; conftest.py hangs it up."""

from __future__ import annotations

import logging

import pytest

from .overhearing import Overheard


def heard(text: str, *values: object, name: str = "some.library", level: int = logging.DEBUG) -> list[str]:
    """What the net keeps of a line."""
    net = Overheard()
    net.handle(logging.LogRecord(name, level, __file__, 1, text, values, None))
    return net.lines


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("GET /fhir?name=%s", ("Zaphira",)),
        ("row ('Patient/p1', 3)", ()),
        ("token %r", ("tok-CANARY-5512",)),
        ("answer: %s", ({"label": "Never-kestrel"},)),
    ],
)
def test_s23_an_odd_word_is_heard_at_any_level_in_any_librarys_line(text: str, values: tuple[object, ...]) -> None:
    """A net with a hole lets every later leak through."""
    assert len(heard(text, *values)) == 1
    assert len(heard(text, *values, level=logging.CRITICAL, name="handrail.plugin_core")) == 1


def test_an_exceptions_text_is_heard_too() -> None:
    """Tracebacks carry values."""
    net = Overheard()
    try:
        raise ValueError("zebrafinch")
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    net.handle(logging.LogRecord("a", logging.ERROR, __file__, 1, "it failed", (), found))
    assert len(net.lines) == 1


def test_what_is_about_nobody_is_let_through() -> None:
    """A folder that is named after a test is no client."""
    assert heard("opened /tmp/x/test_canary_names0/store.db") == []
    assert heard("6 forms, 2 clients") == []


def test_the_net_hangs_here_at_debug() -> None:
    """Without it in the root, nobody listens."""
    root = logging.getLogger()
    assert root.level == logging.DEBUG
    assert any(isinstance(one, Overheard) for one in root.handlers)
