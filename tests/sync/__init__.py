"""The whole sync, end to end: a platform over real HTTP, the real adapter, engine, store and command line."""
