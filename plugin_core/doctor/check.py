"""One finding of `handrail doctor`."""

from __future__ import annotations

from dataclasses import dataclass

OK, NOTE, WRONG = "ok", "note", "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `ok`, `note` (worth knowing) or `wrong` (to mend)."""

    name: str
    state: str
    finding: str
