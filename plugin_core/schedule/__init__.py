"""Sync by itself: entries of the systems own schedulers, and the alarm when no sync succeeds."""
