"""Tests of the conformance kit itself. The example package is imported from where it lies, see `acme`."""

from . import acme as acme
