"""The one base of all URIs that Handrail coins, and how addresses of others are taken apart."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

BASE = "https://handrail.example/fhir"
"""Whoever releases replaces it here and nowhere else."""

_NONE = SplitResult("", "", "", "", "")


def split(address: str) -> SplitResult:
    """The parts of an address that somebody else wrote; all empty where it is none (such as `https://[`)."""
    try:
        return urlsplit(address)
    except ValueError:
        return _NONE
