"""Tests of the Acme package."""
