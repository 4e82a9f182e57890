"""One file through its layout: is it whole, is it as it was confirmed, which forms are in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from ...schemas.vocab import QuarantineReason as R
from .faults import SAME_HEADINGS, TWO_LAYOUTS, UNCONFIRMED, Changing, FileFault, missing_column, new_columns
from .folder import Found
from .layout import Layout
from .rows import Reader, Survey
from .tables import How, Scan, Table, opening, scan, table

NEAR = 0.5


@dataclass(frozen=True, slots=True)
class Practice:
    """What reading needs to know of the practice."""

    hashed: Callable[[str], str]
    zone: tzinfo
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Known:
    """A file of a confirmed layout, looked over as a whole."""

    found: Found
    scan: Scan
    layout: Layout
    survey: Survey

    @contextmanager
    def open(self, practice: Practice) -> Iterator[tuple[Reader, Table]]:
        """Its reader and its rows, from the first on."""
        with table(self.found.path, opening(self.scan, self.layout.how)) as rows:
            yield Reader(self.layout, rows.headings, practice.hashed, practice.zone), rows


def known(found: Found, layouts: list[Layout], practice: Practice) -> Known:
    """The file with the layout that it has, looked over from end to end.

    :raises FileFault: it is not to be read; the sentence says why.
    :raises Changing: it is being written.
    """
    looked = scan(found.path)
    layout = layout_of(found, looked, layouts)
    now = datetime.fromtimestamp(practice.now(), UTC).astimezone(practice.zone)
    try:
        with table(found.path, opening(looked, layout.how)) as rows:
            survey = Reader(layout, rows.headings, practice.hashed, practice.zone).survey(rows, now)
    except FileFault as fault:
        fault.form = layout.only_form
        raise
    if not found.unchanged():
        raise Changing
    return Known(found, looked, layout, survey)


def layout_of(found: Found, looked: Scan, layouts: list[Layout]) -> Layout:
    """The one layout that fits, by the first row alone.

    :raises FileFault: none, or more than one.
    """
    fit: list[Layout] = []
    near: list[tuple[float, Layout, tuple[str, ...]]] = []
    fault: FileFault | None = None
    for layout in (one for one in layouts if one.kind == looked.kind):
        try:
            headings = headings_of(found, looked, layout)
        except FileFault as error:
            fault = error
            continue
        if layout.takes(found.path.name, headings):
            fit.append(layout)
        near.append((layout.near(headings), layout, headings))
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise FileFault(TWO_LAYOUTS, R.SHAPE)
    if not near and looked.kind == "xlsx":
        with table(found.path, How("xlsx")):  # says what is wrong with the file itself, if anything is
            pass
    if not near:
        raise fault or FileFault(UNCONFIRMED, R.UNKNOWN_VERSION)
    share, layout, headings = max(near, key=lambda one: one[0])
    raise _deviation(share, layout, headings)


def headings_of(found: Found, looked: Scan, layout: Layout) -> tuple[str, ...]:
    """The headings of a file when it is opened as a layout says."""
    with table(found.path, opening(looked, layout.how)) as rows:
        return rows.headings


def _deviation(share: float, layout: Layout, headings: tuple[str, ...]) -> FileFault:
    """In what the file differs; names only headings that a person confirmed, the others could be data."""
    missing, new = layout.difference(headings)
    if share < NEAR:
        return FileFault(UNCONFIRMED, R.UNKNOWN_VERSION)
    why = UNCONFIRMED
    if missing:
        why = missing_column(column=missing[0][:80])
    elif new:
        why = new_columns(count=len(new))
    elif len(set(headings)) < len(headings):
        why = SAME_HEADINGS
    fault = FileFault(why, R.CHANGED_DEFINITION)
    fault.form = layout.only_form
    return fault
