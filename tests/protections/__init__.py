"""What the tests say when a protection is taken out: the table (TOML files), and `python -m tests.protections`."""
