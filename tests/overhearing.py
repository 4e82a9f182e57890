"""Listens to every logger at DEBUG in each test, libraries included: no odd word of a fixture may be in a line (S23).

Fixtures name clients, forms, answers and tokens by words that nobody would log by chance. A test that writes one of
them into a log itself, to see what becomes of it, says so by the marker `logs_canaries`.
"""

from __future__ import annotations

import logging
import re

WORDS = re.compile(r"canary|zebrafinch|kestrel|zaphira|\bPatient/[A-Za-z0-9]", re.IGNORECASE)
# Paths hold the names of tests, and a port or a thread may be named after one; these lines are about neither.
_OURSELVES = re.compile(r"\S*(?:/|::)test_\S*|handrail-kit-\S*|kestrel-practice")


class Overheard(logging.Handler):
    """Keeps the lines with such a word."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Looks at the line as it would be written, the exception's text included."""
        if record.name.startswith("tests."):
            return
        text = self.format(record)
        if WORDS.search(text) and (found := WORDS.search(_OURSELVES.sub("", text))):
            self.lines.append(f"{record.name} {record.levelname}: {found[0]!r} in {text[:300]!r}")
