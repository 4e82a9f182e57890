"""Sync by itself: entries for the system's own scheduler, and the alarm when no sync has succeeded for long.

Handrail runs no service of its own for this: each system has a scheduler that survives restarts and that its owner can
look at. One small module each knows how to write for it; `making` chooses, shows, makes and removes; `watch` remembers
how runs ended, outside the store, and `alarm` tells a person.
"""
