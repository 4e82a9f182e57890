"""All faults, gathered from where they are made."""

from __future__ import annotations

from . import broken_days, broken_reading, broken_words, broken_writing
from .faults import BROKEN, Broken

from handrail_acme.spec import SPEC  # isort: skip
from handrail_acme_double import AcmeDouble as Double  # isort: skip

PARTS = (broken_words, broken_reading, broken_days, broken_writing)

__all__ = ["BROKEN", "PARTS", "SPEC", "Broken", "Double"]
