"""The store: one database, sealed columns, one transaction a page. `Store` opens it; the other modules query it."""

from .database import Store, Tx

__all__ = ["Store", "Tx"]
