"""Pulling by time of change: nothing is lost while rows change, and the cursor is the platform's own time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from handrail.adapters.keyset import Batch, Walk
from handrail.plugin_core.contracts import Page, RemoteResponse
from handrail.plugin_core.errors import PlatformError
from handrail.schemas.records import Cursor
from hypothesis import given
from hypothesis import strategies as st

BEGIN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NO_OVERLAP = timedelta(0)


def form(name: str) -> RemoteResponse:
    """A form of which only the id matters."""
    return RemoteResponse(name, "f", "c", "completed", ())


@dataclass
class Listing:
    """A platform's list, sorted by time of change, with numbered pages.

    :param filters: whether it heeds the moment asked for; `sorts` whether it sorts; `counts` whether it says how many
        rows there are.
    """

    rows: dict[str, datetime]
    size: int = 3
    filters: bool = True
    sorts: bool = True
    counts: bool = True
    clock: datetime | None = BEGIN + timedelta(days=9)
    asked: list[tuple[datetime | None, str | None]] = field(default_factory=list)

    def load(self, lower: datetime | None, more: str | None) -> Batch:
        """One page; `more` holds the query and the page number, as links to next pages do."""
        self.asked.append((lower, more))
        since, page = (lower, 0) if more is None else _parted(more)
        found = [row for row in self.rows.items() if not self.filters or since is None or row[1] >= since]
        if self.sorts:
            found.sort(key=lambda row: (row[1], row[0]))
        part = found[page * self.size : (page + 1) * self.size]
        last = (page + 1) * self.size >= len(found)
        following = None if last else f"{since.isoformat() if since else ''}|{page + 1}"
        forms, stamps = [form(name) for name, _ in part], [at for _, at in part]
        return Batch(forms, stamps, following, self.clock, total=len(found) if self.counts else None)


def _parted(more: str) -> tuple[datetime | None, int]:
    since, _, page = more.partition("|")
    return (datetime.fromisoformat(since) if since else None), int(page)


def walk(listing: Listing, cursor: Cursor | None = None, overlap: timedelta = NO_OVERLAP) -> list[Page]:
    """All pages of one pull."""
    return list(Walk("forms", cursor, overlap, listing.load, "the platform").pages())


def ids(pages: Sequence[Page]) -> set[str]:
    """The forms that came."""
    return {one.id for page in pages for one in page.responses}


def rows(*minutes: int) -> dict[str, datetime]:
    """Rows named by their place, changed so many minutes after the beginning."""
    return {f"{place:03}": BEGIN + minute * MINUTE for place, minute in enumerate(minutes)}


@given(st.lists(st.integers(0, 40), max_size=30, unique=True), st.integers(2, 5), st.booleans(), st.data())
def test_f16_whatever_changes_while_pages_are_read_no_other_row_is_lost(
    minutes: list[int], size: int, counts: bool, data: st.DataObject
) -> None:
    """A row that changes leaves its place, and all behind it move up by one, one of them over the page's edge."""
    listing = Listing(rows(*minutes), size, counts=counts)
    whole = set(listing.rows)
    now = BEGIN + 100 * MINUTE
    came: set[str] = set()
    for number, page in enumerate(Walk("forms", None, NO_OVERLAP, listing.load, "the platform").pages()):
        came |= {one.id for one in page.responses}
        if number < 20 and listing.rows and data.draw(st.booleans()):
            changed = data.draw(st.sampled_from(sorted(listing.rows)))
            now += MINUTE
            listing.rows[changed] = now
    assert came == whole


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(1, 4), st.booleans(), st.booleans())
def test_f12_each_row_comes_whatever_the_platform_makes_of_order_and_filter(
    minutes: list[int], size: int, filters: bool, sorts: bool
) -> None:
    """Platforms ignore parameters without a word; half a list must not pass for the whole."""
    listing = Listing(rows(*minutes), size, filters, sorts)
    pages = walk(listing)
    assert ids(pages) == set(listing.rows)
    if minutes:
        assert pages[-1].cursor is not None
        assert pages[-1].cursor.since == max(listing.rows.values())


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(1, 4), st.integers(0, 9))
def test_a_pull_that_is_broken_off_goes_on_from_its_last_cursor(minutes: list[int], size: int, stop: int) -> None:
    """A laptop is closed in the middle: what was stored is enough to go on."""
    listing = Listing(rows(*minutes), size)
    begun = []
    for page in Walk("forms", None, NO_OVERLAP, listing.load, "the platform").pages():
        begun.append(page)
        if len(begun) > stop:
            break
    assert ids(begun) | ids(walk(listing, begun[-1].cursor)) == set(listing.rows)


def test_f13_without_order_no_cursor_is_given_before_the_end() -> None:
    """Stored in the middle, it would pass over the rows that the platform has put further back."""
    pages = walk(Listing(rows(5, 1, 9, 2, 8, 3, 7), sorts=False))
    assert [page.cursor is None for page in pages][:-1] == [True] * (len(pages) - 1)
    assert not pages[-1].sorted
    assert sum(len(page.warnings) for page in pages) == 1


def test_f5_f6_f7_the_cursor_is_the_platforms_time_never_later_than_its_clock_never_earlier_than_before() -> None:
    """One form dated into next year would else hide everything until then."""
    listing = Listing({**rows(1, 2), "new year": BEGIN + timedelta(days=300)}, clock=BEGIN + 3 * MINUTE)
    (page,) = walk(listing)
    assert page.cursor is not None
    assert page.cursor.since == BEGIN + 2 * MINUTE
    later = Cursor("forms", BEGIN + timedelta(days=2))
    for rows_now in ({}, rows(1)):  # of the second, the overlap brings a row from before
        (again,) = walk(Listing(rows_now), later, timedelta(days=3))
        assert again.cursor is not None
        assert again.cursor.since == later.since


def test_f7_without_the_platforms_clock_no_time_moves_the_cursor() -> None:
    """Which of its times lie in the future cannot be told then: the list is read whole each time, and that is said."""
    listing = Listing({**rows(1, 2), "new year": BEGIN + timedelta(days=300)}, clock=None)
    (page,) = walk(listing)
    assert len(page.responses) == 3
    assert page.cursor == Cursor("forms")
    assert any("carry no date" in said for said in page.warnings)


def test_f14a_forms_of_one_moment_leave_a_cursor_of_one_value() -> None:
    """A bulk import stamps them all alike; a list of ids in the cursor would grow with the practice."""
    cursors = [walk(Listing(rows(*[1] * number)))[-1].cursor for number in (1, 200)]
    assert cursors == [Cursor("forms", BEGIN + MINUTE)] * 2


def test_f3_each_pull_reaches_back_by_the_overlap() -> None:
    """Forms become visible late, when a transaction that began before is committed."""
    listing = Listing(rows(1))
    walk(listing, Cursor("forms", BEGIN + timedelta(hours=2)), timedelta(minutes=30))
    assert listing.asked[0][0] == BEGIN + timedelta(minutes=90)


def test_f18_a_list_that_goes_in_circles_ends_with_a_sentence() -> None:
    """Else the sync would never end."""
    load: Callable[[datetime | None, str | None], Batch] = lambda *_: Batch([form("1")], [BEGIN], "again", BEGIN)  # noqa: E731
    with pytest.raises(PlatformError, match="circle"):
        list(Walk("forms", None, NO_OVERLAP, load, "the platform").pages())


def test_a_row_without_time_is_read_and_trusted_for_nothing() -> None:
    """It cannot be sorted: the list is read to its end, by the platform's own pages."""
    listing = Listing(rows(*range(7)))
    plain = listing.load

    def load(lower: datetime | None, more: str | None) -> Batch:
        page = plain(lower, more)
        stamps = [None if one.id == "004" else at for one, at in zip(page.responses, page.stamps, strict=True)]
        return Batch(page.responses, stamps, page.more, page.clock)

    pages = list(Walk("forms", None, NO_OVERLAP, load, "the platform").pages())
    assert ids(pages) == set(listing.rows)
    assert not pages[-1].sorted
