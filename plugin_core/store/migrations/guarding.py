"""Row security on PostgreSQL, for migrations: each practice sees and writes its own rows only (S48).

Whose a transaction is is said at its begin (`handrail.practice`, see database.py). Where nothing is said, there are no
rows. A migration that makes a table calls `guard` with it; a test holds that none is forgotten.

A table's owner is not bound until a host says so (FORCE, in fleet/roles.py): a practice that has the server for itself
goes on making its copies with pg_dump under the one user that it has.
"""

from __future__ import annotations

from collections.abc import Iterable

from alembic import op

MINE = "current_setting('handrail.practice', true)"
# Worked out once a query. Not as `source = ANY (ARRAY(...))`: the database then goes by that instead of the key that is
# asked for, and a look-up by key reads all rows of the practice (15,000 rows: 6 ms instead of 0.07 ms). Nor as EXISTS,
# which is looked up for each row of a long list.
OF_SOURCE = "source IN (SELECT s.id FROM sources s WHERE s.practice = current_setting('handrail.practice', true))"
# A program that was open while its practice was erased writes nothing more, its audit trail included.
OF_ONE_THAT_IS_THERE = (
    "practice IN (SELECT p.id FROM practices p WHERE p.id = current_setting('handrail.practice', true))"
)
KEYS = "keys"  # made before the practice is
POLICY = "own_practice"
OWNERS = "owners_lines"


def guard(practice: Iterable[str] = (), source: Iterable[str] = (), itself: Iterable[str] = ()) -> None:
    """Lets rows of these tables be seen and written by their practice only.

    :param practice: tables whose column `practice` says whose a row is.
    :param source: tables whose column `source` does, through the table of sources.
    :param itself: the table of practices.
    """
    if op.get_bind().dialect.name != "postgresql":
        return
    mine = f"practice = {MINE}"
    rules = (
        (source, OF_SOURCE, OF_SOURCE),
        ([table for table in practice if table != KEYS], mine, OF_ONE_THAT_IS_THERE),
        ([table for table in practice if table == KEYS], mine, mine),
        (itself, f"id = {MINE}", f"id = {MINE}"),
    )
    for tables, seen, written in rules:
        for table in tables:
            op.execute(f'CREATE POLICY {POLICY} ON "{table}" USING ({seen}) WITH CHECK ({written})')
            op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')


def keep_for_owner(practice: str) -> None:
    """Of the audit trail's lines, lets those of a practice be added by who owns the tables alone: the back office's
    decide which ids are never given again, and no program's role may add to them (S52)."""
    if op.get_bind().dialect.name == "postgresql":
        owner = "SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = 'audit'::regclass"
        rule = f"practice <> '{practice}' OR current_user = ({owner})"
        op.execute(f"CREATE POLICY {OWNERS} ON audit AS RESTRICTIVE FOR INSERT WITH CHECK ({rule})")


def give_up_for_owner() -> None:
    """Takes that back."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP POLICY {OWNERS} ON audit")


def unguard(tables: Iterable[str]) -> None:
    """Takes that back."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in tables:
        op.execute(f'ALTER TABLE "{table}" DISABLE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE "{table}" NO FORCE ROW LEVEL SECURITY')
        op.execute(f'DROP POLICY {POLICY} ON "{table}"')
