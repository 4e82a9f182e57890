"""What each database is told when a connection is opened and when a transaction begins."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, ExecutionContext

PLANNED_ANEW = {"handrail_planned_anew": True}
KEYS = "json_array_elements_text"
"""PostgreSQL's function for a list of keys; a statement that has one is planned anew, too (sql.py)."""


def sqlite_connect(connection: Any, _record: object) -> None:
    """Settings that SQLite keeps with each connection."""
    connection.isolation_level = None  # we say BEGIN ourselves, else the driver delays it to the first write
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA wal_autocheckpoint=8000")  # 32 MB: each page of forms touches the same index pages
        cursor.execute("PRAGMA cache_size=-8192")
        cursor.execute("PRAGMA temp_store=MEMORY")  # never into a folder that others share (S19)
    finally:
        cursor.close()


def sqlite_begin(conn: Connection) -> None:
    """One writer at a time. `handrail_again`: the disk is not waited for, as of `Store.write`."""
    options = conn.get_execution_options()
    if options.get("handrail_write"):
        # The next FULL one makes all before it last as well, so what comes after is never kept without it.
        conn.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('handrail_again') else 'FULL'}")
        conn.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        conn.exec_driver_sql("BEGIN")


def postgresql_begin(conn: Connection) -> None:
    """Says whose the transaction is, for row security. It ends with the transaction, so that a pooled connection that
    somebody else takes next carries nothing over (S48). Who says nothing sees no rows."""
    options = conn.get_execution_options()
    if practice := options.get("handrail_practice"):
        conn.exec_driver_sql("SELECT set_config('handrail.practice', %s, true)", (practice,))
    if patience := options.get("handrail_patience"):
        conn.exec_driver_sql("SELECT set_config('lock_timeout', %s, true)", (f"{round(patience * 1000)}ms",))


def postgresql_execute(cursor: Any, statement: str, given: Any, context: ExecutionContext) -> bool:
    """Runs what is to be `PLANNED_ANEW`, or asks by a list of keys. The driver prepares what comes often, and the
    server then keeps the plan that was made when the table was next to empty: by it a page of keys is 500 looks through
    all that is there since."""
    if KEYS not in statement and not context.execution_options.get("handrail_planned_anew"):
        return False
    cursor.execute(statement, given, prepare=False)
    return True
