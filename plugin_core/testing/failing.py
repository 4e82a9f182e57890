"""Conformance: what a platform's bad day does to an adapter, and what it must not do."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Denied, PlatformError, Unreachable
from .bench import Bench
from .judging import ensure
from .platform import Double

MOST_REQUESTS = 12
LONGEST_OBEYED = 3600.0
NONSENSE = (
    (b"<html><body>Please sign in</body></html>", "text/html"),
    (b"", "application/json"),
    (b"[1, 2", "application/json"),
    (b"null", "application/json"),
    (b'"kestrel"', "application/json"),
    (b'{"kestrel": [[[]]]}', "application/json"),
    (b"[" * 50_000 + b"]" * 50_000, "application/json"),
    (b"\xff\xfe\x00{", "application/json"),
)


class FailingTests(Bench):
    """Waiting, repeating, giving up, and saying so."""

    def test_a_wrong_credential_fails_once_and_clearly(self) -> None:
        """Trying again and again locks accounts; the sentence must say what a person can do (F44)."""
        self.needs("wrong")
        adapter = self.open(self.double.wrong_secrets())
        try:
            adapter.test()
        except Denied as error:
            ensure(len(error.message.split()) >= 6, "The refusal is no sentence.")
        except PlatformError as error:
            ensure(False, f"It fails as {type(error).__name__}, not as Denied.")
        else:
            ensure(False, "A wrong credential passed the test.")
        ensure(len(self.seen) <= 4, f"A wrong credential was tried {len(self.seen)} times.")
        ensure(not self.clock.slept, "It waited, as if a wrong credential would pass.")

    def test_a_token_that_ends_in_the_middle_is_renewed(self) -> None:
        """Tokens live minutes, a first pull hours; nothing may be lost or end there (F41)."""
        self.needs("add", "expire", "pages")
        given = self.fill(self.double.page_size * 3)
        adapter = self.open()
        adapter.test()
        double = self.faulty
        double.after_reads(2, double.expire)
        got = self.pull_all(adapter)
        ensure(set(given) <= got.ids, "After the token had ended, forms did not come.")

    def _throttled(self, kind: str) -> float:
        self.needs("add", "throttle")
        double = self.faulty
        given = self.fill(2)
        adapter = self.open()
        adapter.test()
        self.clock.slept.clear()
        double.throttle(kind, 7)
        got = self.pull_all(adapter)
        ensure(set(given) <= got.ids, "After a 429 the forms did not come.")
        slept = sum(self.clock.slept)
        ensure(0 < slept <= LONGEST_OBEYED, f"After a 429 it waited {slept:g} seconds.")
        return slept

    def test_429_with_seconds_is_obeyed(self) -> None:
        """Asking before the time gets an account blocked (F30)."""
        ensure(self._throttled("seconds") >= 7, "It asked again before the seconds of Retry-After were over.")

    def test_429_with_a_date_is_obeyed_by_the_platforms_clock(self) -> None:
        """A local clock that is behind would wait for hours, one ahead not at all (F31)."""
        self.clock.adrift = -7200.0
        slept = self._throttled("date")
        ensure(7 <= slept <= 120, f"Asked to wait for 7 seconds by a date, it waited {slept:g}.")

    def test_429_with_a_header_that_is_nonsense_is_survived(self) -> None:
        """The usual library ends the program on it (F31)."""
        self._throttled("nonsense")

    def test_429_without_a_word_of_how_long_is_waited_for(self) -> None:
        """Most platforms say nothing; asking again at once makes it worse."""
        self._throttled("absent")

    def test_429_with_the_platforms_own_header_is_obeyed(self) -> None:
        """Some say it in a header of their own and leave Retry-After out."""
        self.needs("own-wait")
        ensure(self._throttled("own") >= 7, "It asked again before the time of the platform's own header.")

    def test_429_for_ever_ends_in_going_on_later(self) -> None:
        """A run that never ends blocks the next ones; exit status 3 says: go on later (F32)."""
        self.needs("throttle")
        self._ends_later(lambda double: double.throttle("seconds", on="any", times=1000))

    def test_a_server_error_that_passes_is_passed_over(self) -> None:
        """Every platform restarts now and then (F35)."""
        self.needs("add")
        double = self.faulty
        given = self.fill(self.double.page_size + 1)
        double.fail(503)
        double.fail(502, skip=1)
        got = self.pull_all(self.open())
        ensure(set(given) <= got.ids, "After a server error forms did not come.")

    def test_a_server_error_that_stays_ends_in_going_on_later(self) -> None:
        """A bounded number of tries with pauses between, then the next run goes on from the same place (F35)."""
        self._ends_later(lambda double: double.fail(503, on="any", times=1000))

    def _ends_later(self, happen: Callable[[Double], None]) -> None:
        double = self.faulty
        adapter = self.open()
        adapter.test()
        before = len(self.seen)
        happen(double)
        done = self.pull(adapter)
        ensure(isinstance(done.error, Unreachable), "It does not end in Unreachable, which is: go on later.")
        tries = len(self.seen) - before
        ensure(tries <= MOST_REQUESTS, f"It asked {tries} times.")
        ensure(tries == 1 or sum(self.clock.slept) > 0, "It asked again and again without a pause.")

    def test_a_failing_page_in_the_middle_loses_nothing(self) -> None:
        """The run ends there; the next goes on from the last cursor that was given (F12)."""
        self.needs("add", "pages")
        double = self.faulty
        given = self.fill(self.double.page_size * 3)
        adapter = self.open()
        adapter.test()
        double.fail(503, times=1000, skip=1)
        begun = self.pull(adapter)
        ensure(begun.error is not None, "A page failed, and the pull ended as if it had been the last.")
        double.heal()
        rest = self.pull_all(self.open(), begun.cursor)
        ensure(set(given) <= begun.ids | rest.ids, "Forms behind the page that failed never came.")

    def test_an_answer_that_breaks_off_is_asked_for_again(self) -> None:
        """Half a page read as a whole one loses the other half (F37)."""
        self.needs("add")
        double = self.faulty
        given = self.fill(self.double.page_size + 1)
        adapter = self.open()
        adapter.test()
        double.cut_replies()
        ensure(set(given) <= self.pull_all(adapter).ids, "Forms of a page that broke off did not come.")

    def test_nonsense_is_a_plain_error_and_never_no_forms(self) -> None:
        """A sign-in page or an empty answer read as "no news" would move the cursor past real forms (F39); brackets
        without end must end no run (F54)."""
        double = self.faulty
        for body, kind in NONSENSE:
            adapter = self.open()
            double.talk_nonsense(body, kind)
            done = self.pull(adapter)
            double.heal()
            ensure(done.error is not None, f"An answer of {body[:12]!r} was read as a page without forms.")
            ensure(done.cursor is None, "A cursor was given for an answer that is no page.")
