"""Conformance: everything that clients filled in is read, once, as they gave it, and what became of it later."""

from __future__ import annotations

from ...schemas.base import parse_time
from ...schemas.vocab import SCORED_STATUSES, ResponseStatus
from ..contracts import Adapter, RemoteResponse
from .bench import ANSWERS, Bench, Pulled
from .judging import NotApplicable, ensure
from .platform import QUESTIONS, Filled

UNKNOWN = "kestrel-unknown-0"
SCORED = {status.value for status in SCORED_STATUSES}


class ReadingTests(Bench):
    """Pages, cursors, second runs, amendments, withdrawals, deletions."""

    def test_every_form_comes_over_all_pages(self) -> None:
        """A form that does not come is never scored, and nobody notices."""
        self.needs("add")
        given = self.fill(self.double.page_size * 2 + 1)
        got = self.pull_all(self.open())
        ensure(set(given) <= got.ids, f"Of {len(given)} forms {len(set(given) - got.ids)} did not come.")
        ensure(not got.ids - set(given), "Forms came that nobody filled in.")
        for remote_id, filled in given.items():
            ensure(got.last(remote_id).client == filled.client, "A form came under another client.")

    def test_answers_come_as_they_were_given(self) -> None:
        """An answer on another question, or a blank read as an answer, gives a wrong score."""
        self.needs("add")
        given = self.fill(len(ANSWERS))
        got = self.pull_all(self.open())
        for remote_id, filled in given.items():
            self.ensure_answers(got.last(remote_id), filled)

    def test_a_form_that_is_called_whole_has_a_line_for_each_question(self) -> None:
        """The core takes a missing line of such a form for a question that was removed: each form with a blank would be
        set aside."""
        self.needs("add")
        given = self.fill(len(ANSWERS))
        for form in self.pull_all(self.open()).responses:
            lines = {line.question for line in form.lines}
            ensure(
                form.id not in given or not form.whole or len(lines) >= len(QUESTIONS),
                "A form is called whole (RemoteResponse.whole), but a line that was left empty is missing.",
            )

    def test_a_form_has_its_time_its_client_and_what_tells_changes(self) -> None:
        """Without a time there is no course; without a version or a server's time a change cannot be told."""
        self.some(1)
        came = self.pull_all(self.open()).responses
        if not came:
            raise NotApplicable("There is no filled-in form on this account.")
        form = came[-1]
        ensure(self.live or form.status in SCORED, "A finished form has another status than completed or amended.")
        ensure(form.form and form.client, "A form has no name or no client.")
        when = parse_time(form.authored) if form.authored else None
        ensure(when is not None and when.tzinfo is not None, "authored is no time with an offset (see context.zone).")
        ensure(form.version or form.updated, "A form has neither version nor updated.")

    def test_a_second_run_brings_nothing_new(self) -> None:
        """What comes again in an overlap must be the same in each word, or it is scored and audited anew each night."""
        self.some(self.double.page_size + 2)
        adapter = self.open()
        first = self.pull_all(adapter)
        ensure(
            first.cursor is not None or not first.responses,
            "The pull gave no cursor, so each run would read everything.",
        )
        self.clock.later(hours=3)
        second = self.pull_all(adapter, first.cursor)
        ensure({*map(_same, second.responses)} <= {*map(_same, first.responses)}, "A second run brought something new.")
        ensure(not second.gone, "A second run called forms gone that stand on the platform.")

    def test_a_run_without_news_asks_for_little(self) -> None:
        """Platforms count requests; a practice with ten thousand forms must not read them all each night."""
        self.needs("add", "incremental")
        old = self.fill(self.double.page_size * 2)
        self.clock.later(days=40)
        (young,) = self.fill(1)
        first = self.pull_all(self.open())
        self.clock.later(days=2)
        again = self.pull_all(self.open(), first.cursor)
        ensure(not again.ids & set(old), "Forms came again that had not changed for forty days.")
        ensure(again.ids <= {young}, "Forms came that nobody filled in.")

    def test_what_is_filled_in_later_comes_with_the_next_run(self) -> None:
        """That is what the nightly sync is for."""
        self.needs("add")
        self.fill(self.double.page_size)
        first = self.pull_all(self.open())
        for number in range(3):
            self.clock.later(days=1)
            (new,) = self.fill(1)
            first = self.pull_all(self.open(), first.cursor)
            ensure(new in first.ids, f"The form that was filled in before run {number + 2} did not come.")

    def test_the_cursor_is_the_platforms_time_not_ours(self) -> None:
        """A computer whose clock is three days ahead would else pass over three days of forms (F5)."""
        self.needs("add")
        self.fill(2)
        self.clock.adrift = 3 * 86_400.0
        first = self.pull_all(self.open())
        self.clock.later(hours=2)
        (new,) = self.fill(1)
        ensure(new in self.pull_all(self.open(), first.cursor).ids, "A form was passed over: the local clock counted.")

    def test_two_forms_of_one_second_both_come(self) -> None:
        """The platform's times are often whole seconds; one of two must not fall behind the cursor (F3)."""
        self.needs("add")
        one = self.fill(1, apart=0.0)
        first = self.pull_all(self.open())
        other = self.fill(1, apart=0.0)
        both = first.ids | self.pull_all(self.open(), first.cursor).ids
        ensure({*one, *other} <= both, "Of two forms of the same second one never came.")

    def test_an_interrupted_run_loses_nothing(self) -> None:
        """A laptop that is closed in the middle goes on from what was stored, not from what was meant to be."""
        self.needs("add", "pages")
        given = self.fill(self.double.page_size * 3)
        for stored in (1, 2):
            begun = self.pull(self.open(), pages=stored)
            rest = self.pull_all(self.open(), begun.cursor)
            lost = set(given) - begun.ids - rest.ids
            ensure(not lost, f"After an end in page {stored}, {len(lost)} forms never came.")

    def test_a_row_that_comes_twice_hides_no_other(self) -> None:
        """Pages shift while they are read; reading must not end at the first known row (F16)."""
        self.needs("add", "pages", "duplicates")
        given = self.fill(self.double.page_size * 2 + 1)
        self.double.repeat_rows()
        got = self.pull_all(self.open())
        ensure(set(given) <= got.ids, "Forms did not come because another came twice.")

    def test_a_form_amended_while_pages_are_read_hides_no_other(self) -> None:
        """It moves to the end of the list, and all behind it move up by one, one of them over the page's edge (F16)."""
        self.needs("add", "pages", "amend", "faults")
        given = self.fill(self.double.page_size * 2 + 1)
        first, filled = next(iter(given.items()))

        def amended() -> None:
            self.clock.later(minutes=1)
            self.double.amend(first, Filled(filled.client, (2, 2, 2)))

        adapter = self.open()
        got = Pulled()
        for page in adapter.pull(None):
            if not got.pages:
                amended()
            got.pages += 1
            got.responses += page.responses
            got.cursor = page.cursor or got.cursor
        self.clock.later(hours=1)
        later = self.pull_all(adapter, got.cursor)
        lost = set(given) - got.ids - later.ids
        ensure(not lost, f"{len(lost)} forms never came because another was amended meanwhile.")
        got.responses += later.responses
        self.ensure_answers(got.last(first), Filled(filled.client, (2, 2, 2)))

    def test_an_amended_form_comes_again_and_is_told_from_before(self) -> None:
        """Its scores are replaced; unnoticed, a wrong answer that was put right would stand for ever."""
        self.needs("add", "amend")
        given = self.fill(3)
        first = self.pull_all(self.open())
        self.clock.later(days=1)
        remote_id, filled = next(iter(given.items()))
        changed = Filled(filled.client, (2, 0, 2))
        self.double.amend(remote_id, changed)
        second = self.pull_all(self.open(), first.cursor)
        ensure(remote_id in second.ids, "An amended form did not come again.")
        self.ensure_answers(second.last(remote_id), changed)
        ensure(_same(second.last(remote_id)) != _same(first.last(remote_id)), "It cannot be told from before.")

    def test_a_withdrawn_form_is_told_of(self) -> None:
        """Its flag has to be taken back from the chart."""
        self.needs("add", "withdraw")
        given = self.fill(3)
        first = self.pull_all(self.open())
        self.clock.later(days=1)
        remote_id = next(iter(given))
        self.double.withdraw(remote_id)
        second = self.pull_all(self.open(), first.cursor)
        withdrawn = remote_id in second.ids and second.last(remote_id).status == ResponseStatus.WITHDRAWN.value
        ensure(withdrawn or remote_id in second.gone, "A withdrawn form did not come as withdrawn, nor as gone.")

    def test_a_deleted_form_is_missing_from_the_listing(self) -> None:
        """Two listings that lack it are how the core finds deletions that the platform does not report (F62)."""
        self.needs("add", "delete")
        given = self.fill(self.double.page_size + 1)
        adapter = self.open()
        first = self.pull_all(adapter)
        ensure(set(given) <= self._listed(adapter), "The listing lacks forms that stand on the platform.")
        remote_id = next(iter(given))
        self.clock.later(days=1)
        self.double.delete(remote_id)
        ensure(remote_id not in self._listed(self.open()), "The listing holds a form that was deleted.")
        if self.spec.capabilities.reports_deletions:
            second = self.pull_all(self.open(), first.cursor)
            ensure(remote_id in second.gone, "reports_deletions is declared, but the form is not in Page.gone.")

    def test_the_listing_and_the_pull_agree(self) -> None:
        """What the listing lacks is withdrawn, what only it has is fetched: a difference costs flags."""
        self.some(self.double.page_size * 2 + 1)
        adapter = self.open()
        pulled = self.pull_all(adapter)
        standing = {one.id for one in pulled.responses if one.status != ResponseStatus.WITHDRAWN.value}
        listed = self._listed(adapter)
        ensure(standing - listed == set(), f"{len(standing - listed)} forms that were pulled are not listed.")
        known = pulled.ids | set(pulled.set_aside)
        ensure(not listed - known or self.live, f"{len(listed - known)} forms are listed that the pull did not bring.")

    def _listed(self, adapter: Adapter) -> set[str]:
        return {remote_id for part in adapter.listing() for remote_id in part}

    def test_fetch_brings_a_form_as_it_is_now(self) -> None:
        """What was set aside is fetched again by its id, as raw forms are not kept (S20)."""
        self.some(3)
        adapter = self.open()
        pulled = self.pull_all(adapter).responses[-3:]
        page = adapter.fetch([one.id for one in pulled])
        ensure({one.id for one in page.responses} == {one.id for one in pulled}, "fetch brought other forms.")
        came = {one.id: _same(one) for one in page.responses}
        wrong = [one for one in pulled if came[one.id] != _same(one)]
        ensure(not wrong, "fetch gives a form otherwise than the pull: it would look changed each time.")

    def test_fetch_names_what_is_gone(self) -> None:
        """A form that vanished must leave the quarantine; another in its place would go to a wrong client."""
        adapter = self.open()
        gone = [UNKNOWN]
        if self.double.can("add") is None and self.double.can("delete") is None:
            given = list(self.fill(2))
            self.double.delete(given[0])
            page = adapter.fetch([*given, UNKNOWN])
            ensure([one.id for one in page.responses] == given[1:], "fetch did not bring the form that stands.")
            ensure(given[0] in page.gone, "A form that was deleted is not in Page.gone.")
        else:
            page = adapter.fetch(gone)
            ensure(not page.responses, "fetch brought a form for an id that does not exist.")

    def test_clients_have_names_and_unknown_ones_are_left_out(self) -> None:
        """A name under another client's reference would show one person's course as another's."""
        names = self.double.clients()
        found = list(self.open().clients([*names, UNKNOWN]))
        ensure(UNKNOWN not in {client.ref for client in found}, "A client came who does not exist.")
        if not self.spec.capabilities.gives_clinicians:
            return
        ensure({client.ref for client in found} == set(names), "clients() left out some, or gave others.")
        for client in found:
            ensure(self.live or client.name == names[client.ref], "A client came under another name.")


def _same(response: RemoteResponse) -> tuple[object, ...]:
    """By what two pulls of one form are the same to the core."""
    form = response
    return (form.id, form.version, form.updated, form.status, form.client, form.authored, form.lines)
