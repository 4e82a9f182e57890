"""Inputs that nobody would send on purpose, for every parser: our own errors alone, in bounded time and memory."""
