"""Safety answers: who is told, by which channel, until whom it has reached, and what a person did (clinical.md 6)."""
