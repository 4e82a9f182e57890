"""Safety answers: no way in which a notice could be lost or late without a test (docs/safety.md)."""
