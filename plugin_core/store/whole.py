"""The whole SQLite file encrypted by SQLCipher, where the practice's store says `sqlite+pysqlcipher:///` (S15).

Sealed columns leave dates, counts, states and rule ids readable in the file; with this nothing is, the write-ahead log
included. The file's key is derived from the master key, so that there is one secret to keep. It is given to SQLCipher
as a raw key (https://www.zetetic.net/sqlcipher/sqlcipher-api/#key): no password is stretched at each opening. The
columns stay sealed inside: a backup, a dump and a practice's own key mean the same as in any other store.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ..errors import KeyProblem
from ..words import tr
from .seal import file_key

DRIVER = "sqlite+pysqlcipher"


def library() -> Any:
    """The driver, an SQLite of its own; ImportError where the extra `sqlcipher` is not installed."""
    from sqlcipher3 import dbapi2

    return dbapi2


def covers(url: str) -> bool:
    """Whether a store at that address is encrypted as a whole file."""
    return url.startswith(DRIVER + ":")


def opener(master: bytes) -> Callable[..., Any]:
    """How SQLAlchemy is to connect (its event `do_connect`): the key is given before anything is read.

    :param master: the 32 bytes of the master key.
    """

    def connect(_dialect: Any, _record: Any, given: Any, named: Any) -> Any:
        return _opened(master, *given, **named)

    return connect


def rekey(path: Path, old: bytes, new: bytes) -> None:
    """Encrypts the file anew under another master key, in one transaction of SQLite; a file that does not open with
    the old one stays as it is, so that this may be called again after any stop (S17)."""
    try:
        connection = _opened(old, str(path), isolation_level=None)
    except KeyProblem:
        return
    with closing(connection):
        connection.execute(f"PRAGMA rekey = {_raw(new)}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # no page stays in the log that only the old key opens


def _opened(master: bytes, *given: Any, **named: Any) -> Any:
    driver = library()
    connection = driver.connect(*given, **named)
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")  # else it writes to the terminal; faults come as errors
        connection.execute(f"PRAGMA key = {_raw(master)}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first page opens, or nothing does
    except driver.DatabaseError as error:
        connection.close()
        if "not a database" not in str(error):
            raise
        raise KeyProblem(
            tr(
                "The store's file does not open with this key, or it is not encrypted as a whole (one from before that "
                "setting, or a damaged one). Nothing was written. Put the right key back, or restore a backup in its "
                "place: handrail restore FILE --replace"
            )
        ) from None
    return connection


def _raw(master: bytes) -> str:
    """A key as SQLCipher takes it without stretching. A PRAGMA has no parameters; these are hex digits of our own."""
    return f"\"x'{file_key(master).hex()}'\""
