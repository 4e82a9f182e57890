"""Tests of the adapters, through their public interfaces and against real servers where one can do it."""
