"""Puts the lines of one client together without holding the file in memory.

A file whose clients come in ascending order is read straight through. Of any other it is noted, for each line, whose it
is and where it stands, in a private database file of SQLite that is gone when the run ends; the lines are then fetched
client by client. So memory does not grow with the number of clients, no answer is copied to another place, and the
order of the output does not depend on the order of the input. Chosen over a sorted copy, which would hold the answers a
second time, and over an index in memory, which would grow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
CACHE_KIB = 16_000

Numbered = tuple[int, bytes]
Group = tuple[str, list[Numbered]]
ClientOf = Callable[[bytes], str | None]
Unreadable = Callable[[int, bytes], None]


def numbered(file: BinaryIO, skip: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Lines with their number (from 1) and offset. Blank lines, the first `skip` that are not blank, and a mark of
    the byte order are left out."""
    file.seek(0)
    offset = 0
    for number, line in enumerate(file, 1):
        start, raw = offset, line
        offset += len(line)
        if number == 1 and raw.startswith(BOM):
            start, raw = start + len(BOM), raw[len(BOM) :]
        if not raw.strip():
            continue
        if skip:
            skip -= 1
            continue
        yield number, start, raw


def ascending(file: BinaryIO, skip: int, client_of: ClientOf) -> bool:
    """Whether the clients of the lines that name one come in ascending order, by code points."""
    last = ""
    for _, _, raw in numbered(file, skip):
        client = client_of(raw)
        if client is not None:
            if client < last:
                return False
            last = client
    return True


def groups(file: BinaryIO, skip: int, client_of: ClientOf, unreadable: Unreadable) -> Iterator[Group]:
    """Each client once, in ascending order, with their lines in the order of the file.

    :param file: binary and seekable.
    :param client_of: the client that a line names, None where it names none; those lines go to `unreadable`.
    """
    if ascending(file, skip, client_of):
        lines = _in_order(file, skip, client_of, unreadable)
    else:
        lines = _sorted(file, skip, client_of, unreadable)
    name: str | None = None
    found: list[Numbered] = []
    for client, number, raw in lines:
        if client != name:
            if name is not None:
                yield name, found
            name, found = client, []
        found.append((number, raw))
    if name is not None:
        yield name, found


def _in_order(
    file: BinaryIO, skip: int, client_of: ClientOf, unreadable: Unreadable
) -> Iterator[tuple[str, int, bytes]]:
    for number, _, raw in numbered(file, skip):
        client = client_of(raw)
        if client is None:
            unreadable(number, raw)
        else:
            yield client, number, raw


def _sorted(file: BinaryIO, skip: int, client_of: ClientOf, unreadable: Unreadable) -> Iterator[tuple[str, int, bytes]]:
    def places() -> Iterator[tuple[str, int, int]]:
        for number, place, raw in numbered(file, skip):
            client = client_of(raw)
            if client is None:
                unreadable(number, raw)
            else:
                yield client, number, place

    with closing(scratch()) as index:
        index.execute("CREATE TABLE line (client TEXT NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL)")
        index.execute("BEGIN")
        index.executemany("INSERT INTO line VALUES (?, ?, ?)", places())
        for client, number, place in index.execute("SELECT client, number, place FROM line ORDER BY client, number"):
            file.seek(place)
            yield client, number, file.readline()


def scratch() -> sqlite3.Connection:
    """A private database that starts in memory, goes to a file without a name as it grows, and ends with the run."""
    found = sqlite3.connect("", isolation_level=None)
    for pragma in ("temp_store = FILE", f"cache_size = -{CACHE_KIB}", "journal_mode = OFF"):
        found.execute(f"PRAGMA {pragma}")
    return found
