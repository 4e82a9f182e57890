"""Real servers that nobody here wrote, which the tests run against."""
