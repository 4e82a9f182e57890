"""Tests of the conformance kit itself. The example package is imported from where it lies, see `acme`."""

from . import acme as acme

from handrail_acme_double import AcmeDouble as AcmeDouble  # isort: skip
