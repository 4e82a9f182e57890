"""Tests of the platform adapters: the conformance kit, the vendors' contracts, and each platform's own traps."""
