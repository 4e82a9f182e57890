"""Healthie as a platform."""
