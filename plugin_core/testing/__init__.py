"""The conformance kit: with it a vendor shows that an adapter is right. See docs/conformance.md.

A test file of the vendor's subclasses `AdapterConformance`, gives the adapter's spec and a double of the platform, and
inherits the tests. Nothing here imports pytest; it is pytest that finds them.
"""

from .clock import START, Clock
from .conformance import AdapterConformance
from .judging import NotApplicable, Wrong, ensure
from .loopback import Exchange, Fault, Loopback, Reply, Request, date_text
from .platform import ABILITIES, FORM_TITLE, OPTIONS, QUESTIONS, Double, Filled, Mark, Platform, Question

__all__ = [
    "ABILITIES",
    "FORM_TITLE",
    "OPTIONS",
    "QUESTIONS",
    "START",
    "AdapterConformance",
    "Clock",
    "Double",
    "Exchange",
    "Fault",
    "Filled",
    "Loopback",
    "Mark",
    "NotApplicable",
    "Platform",
    "Question",
    "Reply",
    "Request",
    "Wrong",
    "date_text",
    "ensure",
]
