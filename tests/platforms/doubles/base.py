"""What the doubles are built on: the kit's own server, so that vendors have the same (handrail.plugin_core.testing)."""

from __future__ import annotations

from handrail.plugin_core.testing import (
    FORM_TITLE,
    QUESTIONS,
    Clock,
    Double,
    Exchange,
    Filled,
    Loopback,
    Mark,
    Reply,
    Request,
    date_text,
)

__all__ = [
    "FORM_TITLE",
    "QUESTIONS",
    "Clock",
    "Double",
    "Exchange",
    "Filled",
    "Loopback",
    "Mark",
    "Reply",
    "Request",
    "date_text",
]
