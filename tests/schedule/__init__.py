"""Tests of syncing by itself."""
