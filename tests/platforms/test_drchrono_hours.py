"""DrChrono's hour: a list longer than the application's requests goes on where it stopped, and loses nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.budget import Spent
from handrail.adapters.drchrono.walk import Gathering, Key, Place
from handrail.plugin_core.testing.bench import Pulled
from handrail.plugin_core.testing.platform import Filled
from handrail.schemas.records import Cursor
from hypothesis import given, settings
from hypothesis import strategies as st

from .benches import OnDrChrono
from .doubles.drchrono import ADA

MOST_HOURS = 40


class TestHours(OnDrChrono):
    """A practice whose forms do not fit into one hour."""

    def setup_method(self, method: object = None) -> None:
        super().setup_method(method)
        self.double.page_size = 7  # type: ignore[misc]

    def _next_hour(self) -> None:
        self.clock.at = (self.clock.at + timedelta(hours=1)).replace(minute=0, second=1)

    def _hours(self, limit: int, done: Pulled, *, at_most: int = MOST_HOURS) -> int:
        """Pulls hour by hour until all is there; gives how many hours it took."""
        for hour in range(at_most):
            self._next_hour()
            one = self.pull(self.open(hourly_limit=limit, kept_for_prompts=0), done.cursor)
            done.responses += one.responses
            done.gone += one.gone
            done.cursor = one.cursor
            if one.error is None:
                return hour + 1
            assert isinstance(one.error, Spent)
        return at_most

    @pytest.mark.parametrize("limit", [20, 21, 26])
    def test_a_first_pull_longer_than_an_hour_ends(self, limit: int) -> None:
        """Begun anew each hour it never would: the practice's first prompt would never come. Nothing is lost at the
        border of an hour, and no form comes in two states, wherever the hour ends."""
        given = self.fill(28, apart=60.0)
        done = Pulled()
        hours = self._hours(limit, done)
        assert 1 < hours < MOST_HOURS
        assert done.ids == set(given)
        for remote_id, filled in given.items():
            self.ensure_answers(done.last(remote_id), filled)
            versions = {one.version for one in done.responses if one.id == remote_id}
            assert len(versions) == 1, "a form came half first, and whole later"
        assert done.cursor is not None
        assert done.cursor.token is None
        again = self.pull_all(self.open(), done.cursor)
        assert again.ids <= set(given)

    def test_many_changes_at_once_get_through_too(self) -> None:
        """After a month without a sync each changed form is read whole, one request each: that, too, goes on."""
        self.fill(2)
        first = self.pull_all(self.open())
        self.clock.later(days=30)
        given = self.fill(28, apart=60.0)
        done = Pulled(cursor=first.cursor)
        assert self._hours(25, done) > 1
        assert set(given) <= done.ids
        for remote_id, filled in given.items():
            self.ensure_answers(done.last(remote_id), filled)

    def test_a_line_that_was_filled_in_much_later_belongs_to_its_form(self) -> None:
        """Its row stands at the end of the list, perhaps hours behind the form's others: read alone it would be a form
        of one answer."""
        given = self.fill(28, apart=60.0)
        (late, filled) = next((one, form) for one, form in given.items() if None in form.answers)
        self.double.amend(late, Filled(filled.client, (1, 1, 1)))
        done = Pulled()
        assert self._hours(23, done) > 1
        self.ensure_answers(done.last(late), Filled(filled.client, (1, 1, 1)))

    def test_what_changes_while_the_pull_goes_on_for_days_comes_with_the_next(self) -> None:
        """The cursor at the end stands at the pull's beginning, not at the newest row that it met on its way."""
        given = self.fill(28, apart=60.0)
        first = next(iter(given))
        done = Pulled()
        self._hours(23, done, at_most=1)
        assert first in done.ids
        self.clock.later(days=3)
        self.double.amend(first, Filled(given[first].client, (2, 2, 2)))
        self.clock.later(days=3)
        (newest,) = self.fill(1)
        self._hours(23, done)
        assert newest in done.ids
        after = self.pull_all(self.open(), done.cursor)
        self.ensure_answers(after.last(first), Filled(given[first].client, (2, 2, 2)))

    def test_the_place_to_go_on_names_nobody(self) -> None:
        """Cursors are not sealed in the store."""
        self.fill(28, apart=60.0)
        done = Pulled()
        self._hours(23, done, at_most=1)
        assert done.cursor is not None
        token = str(done.cursor.token)
        appointments = self.double.tables["appointments"]
        assert "cursor=" in token
        assert not [
            one for one in (ADA, *appointments, *self.double.tables["clinical_note_field_values"]) if one in token
        ]

    def test_f19_a_page_that_is_no_longer_there_begins_the_list_again(self) -> None:
        """Nobody says how long DrChrono keeps a page's address: a refused one must not end every run to come."""
        given = self.fill(20, apart=60.0)
        done = self.pull(self.open(), pages=2)
        assert done.cursor is not None
        broken = replace(done.cursor, token=str(done.cursor.token).replace("cursor=", "cursor=9999&template="))
        answer = self.double._list
        self.double._list = lambda table, request: (  # type: ignore[method-assign]
            self.double.handle(replace(request, path="/api/none"))
            if request.one("cursor") == "9999"
            else answer(table, request)
        )
        assert self.pull_all(self.open(), broken).ids == set(given)

    def test_a_cursor_that_was_taken_back_begins_anew(self) -> None:
        """`sync --since` moves the cursor: the page kept in it is of another list."""
        self.fill(20, apart=60.0)
        done = self.pull(self.open(), pages=2)
        assert done.cursor is not None
        moved = replace(done.cursor, since=self.clock.at - timedelta(days=400))
        assert Place.of(moved).at is None
        assert Place.of(done.cursor).at is not None

    @pytest.mark.parametrize("token", ["{", "[]", '{"at": 5}', '{"begun": "2026-01-01T00:00:00"}', "\ud800"])
    def test_f15_a_place_that_cannot_be_read_means_a_full_pull(self, token: str) -> None:
        """A token of another version stops no run."""
        given = self.fill(3)
        assert self.pull_all(self.open(), Cursor("clinical_note_field_values", token=token)).ids == set(given)

    def test_f12_rows_without_any_order_give_no_place_to_go_on(self) -> None:
        """Where rows of one form may stand on any page, what was given out before the end could be half a form."""
        given = self.fill(20, apart=60.0)
        rows = list(self.double.tables["clinical_note_field_values"].items())
        random.Random(7).shuffle(rows)
        self.double.tables["clinical_note_field_values"] = dict(rows)
        part = self.pull(self.open(), pages=1)
        assert part.ids == set(given)
        assert {one.version for one in part.responses} == {one.version for one in self.pull_all(self.open()).responses}

    def test_appointments_of_other_days_cost_one_request_each_and_no_more(self) -> None:
        """Walking a large practice's appointments of all years would spend the hour before the first form."""
        for number in range(400):
            when = (self.clock.at - timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%S")
            self.double.put("appointments", {"patient": int(ADA), "scheduled_time": when, "deleted_flag": False})
        self.double.page_size = 100  # type: ignore[misc]
        self.fill(30, apart=3600.0)
        before = len(self.double.seen)
        self.pull_all(self.open())
        asked = [one for one in self.double.seen[before:] if one.request.path.startswith("/api/appointments")]
        assert len(asked) <= 2


# --- the gathering itself --------------------------------------------------------------------------------------------

FIELDS = ("1", "2", "3")
Row = dict[str, Any]


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[Row], list[int], list[int]]:
    """Rows of forms that overlap, some with blanks, some with a line filled in later; page borders; where it stops."""
    rows: list[tuple[float, str, str]] = []
    for form in range(draw(st.integers(1, 6))):
        for field in draw(st.sets(st.sampled_from(FIELDS), min_size=1)):
            late = draw(st.sampled_from((0.0, 0.0, 0.0, 1.5, 4.0)))
            rows.append((form + late, str(form), field))
    rows.sort()
    made: list[Row] = [
        {"id": number, "appointment": form, "clinical_note_field": field, "updated_at": "x"}
        for number, (_, form, field) in enumerate(rows)
    ]
    size = st.integers(1, 4)
    return made, draw(st.lists(size, min_size=len(made), max_size=len(made))), draw(st.lists(st.integers(0, 8)))


@settings(max_examples=150, deadline=None)
@given(lists())
def test_wherever_the_pages_end_and_a_run_stops_each_form_ends_whole(
    case: tuple[list[Row], list[int], list[int]],
) -> None:
    """A form half of which was given out in one hour and half in the next would be two wrong scores."""
    rows, sizes, stops = case
    pages: list[list[Row]] = []
    while rows[sum(map(len, pages)) :]:
        begin = sum(map(len, pages))
        pages.append(rows[begin : begin + sizes[len(pages)]])
    whole: dict[Key, set[str]] = {}
    for row in rows:
        whole.setdefault((row["appointment"], "t"), set()).add(row["clinical_note_field"])
    held: dict[Key, set[str]] = {}
    at = 0
    for stop in [*stops, len(pages)]:  # each run reads so many pages, or to the end
        gathering = Gathering(FIELDS, part=at > 0)
        for number in range(at, min(len(pages), at + stop) if stop < len(pages) else len(pages)):
            last = number == len(pages) - 1
            gathering.take(((row["appointment"], "t"), row) for row in pages[number])
            for key, found in gathering.ready(end=last).items():
                fields = {str(row["clinical_note_field"]) for row in found.rows}
                held[key] = whole[key] if found.part else fields
            at = number if gathering.open else number + 1
        if at >= len(pages):
            break
    assert held == whole
