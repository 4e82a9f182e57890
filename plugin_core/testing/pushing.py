"""Conformance: a prompt stands once, is taken back wholly, and a person's hand on it counts."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import product

from ...schemas.vocab import RemoteState
from ..contracts import Carrier, Delivered, Notice
from ..errors import PlatformError, Unreachable
from .bench import LAST_KEY, TITLE, Bench
from .judging import ensure

ONE, TWO, THREE = 1, 2, 3
OVER = (RemoteState.INACTIVE, RemoteState.RETRACTED)


class PushingTests(Bench):
    """Each test tries every carrier that the adapter declares."""

    def _count(self, carrier: str, standing: Carrier, key: str) -> int:
        """How many of our marks people see; where that cannot be seen from here, how many the adapter finds."""
        if self.double.can("look") is None:
            return len(self.standing(carrier, key=key))
        found = standing.find(key)
        return found.count(self.client()) if self._bearers(standing) else len(found)

    def _bearers(self, carrier: Carrier) -> set[str]:
        """What is found by a key that was never sent: of a mark that serves all prompts, every client who bears it."""
        return {*carrier.find(self.key(LAST_KEY))}

    def _once(self, carrier: str, standing: Carrier, key: str) -> bool:
        """Whether it stands once. A mark that serves several flags bears no key, so that it may not be found by one."""
        number = self._count(carrier, standing, key)
        return number == 1 or (number == 0 and self.double.can("look") is not None)

    def test_a_prompt_stands_once_at_the_right_client(self) -> None:
        """The whole point; in another chart it would be a breach."""
        adapter = self.open()
        for name, carrier in self.carriers(adapter):
            done = carrier.deliver(self.notice(self.key(ONE)), None, None)
            ensure(done.remote_id and done.refused is None, f"{name}: a prompt got no id, or was refused.")
            ensure(done.created, f"{name}: a prompt that is new is not said to be created.")
            ensure(self._once(name, carrier, self.key(ONE)), f"{name}: a prompt does not stand once.")
            if self.double.can("look") is None:
                ensure(not self.standing(name, self.client(1)), f"{name}: it stands in another client's chart.")
            self._take_back(carrier, self.key(ONE), done)

    def _take_back(self, carrier: Carrier, key: str, done: Delivered) -> None:
        carrier.deliver(self.notice(key, RemoteState.RETRACTED), done.remote_id, done.remote_version)

    def test_a_prompt_sent_again_still_stands_once(self) -> None:
        """After a crash the same prompt is sent again, with its id or without (F81)."""
        adapter = self.open()
        for name, carrier in self.carriers(adapter):
            done = carrier.deliver(self.notice(self.key(ONE)), None, None)
            again = carrier.deliver(self.notice(self.key(ONE)), done.remote_id, done.remote_version)
            blind = self.open().carrier(name).deliver(self.notice(self.key(ONE)), None, None)
            ensure(again.remote_id == done.remote_id == blind.remote_id, f"{name}: sent again it has another id.")
            ensure(self._once(name, carrier, self.key(ONE)), f"{name}: sent again it stands twice, or no more.")
            self._take_back(carrier, self.key(ONE), done)

    def test_a_lost_reply_makes_no_second_prompt(self) -> None:
        """It was written, and nobody said so: look before you create (F84a)."""
        self.needs("faults", "look")
        double = self.faulty
        for name, carrier in self.carriers(self.open()):
            double.lose_replies()
            done = self.until_done(partial(carrier.deliver, self.notice(self.key(ONE)), None, None))
            ensure(done.remote_id, f"{name}: after a lost reply the prompt has no id.")
            marks = self.standing(name, key=self.key(ONE))
            ensure(len(marks) == 1, f"{name}: after a lost reply it stands {len(marks)} times.")
            double.heal()
            self._take_back(carrier, self.key(ONE), done)

    def test_a_write_that_fails_is_done_later_and_once(self) -> None:
        """A server error in a write is not repeated at once: it may have been done (F84a)."""
        self.needs("faults", "look")
        double = self.faulty
        for name, carrier in self.carriers(self.open()):
            double.fail(503, on="write")
            double.throttle("seconds", 5, on="write")
            done = self.until_done(partial(carrier.deliver, self.notice(self.key(ONE)), None, None))
            marks = self.standing(name, key=self.key(ONE))
            ensure(len(marks) == 1, f"{name}: after an error it stands {len(marks)} times.")
            double.heal()
            self._take_back(carrier, self.key(ONE), done)

    def test_a_prompt_that_is_cleared_no_longer_stands(self) -> None:
        """What the client has overcome must not stay in the chart as if it were today's."""
        self._no_longer(RemoteState.INACTIVE)

    def test_a_prompt_is_taken_back(self) -> None:
        """Its form was entered in error, or belongs to somebody else."""
        self._no_longer(RemoteState.RETRACTED)

    def _no_longer(self, state: RemoteState) -> None:
        self.needs("look")
        for name, carrier in self.carriers(self.open()):
            done = carrier.deliver(self.notice(self.key(ONE)), None, None)
            gone = carrier.deliver(self.notice(self.key(ONE), state), done.remote_id, done.remote_version)
            ensure(gone.refused is None, f"{name}: to take a prompt back was refused.")
            ensure(not self.standing(name, key=self.key(ONE)), f"{name}: a prompt that was taken back still stands.")
            carrier.deliver(self.notice(self.key(ONE), state), gone.remote_id, gone.remote_version)
            ensure(not self.standing(name, key=self.key(ONE)), f"{name}: taken back a second time, it stands again.")
            ensure(not gone.created, f"{name}: taking back is said to have created something.")

    def test_it_stands_again_after_it_was_cleared(self) -> None:
        """A form is amended, and the flag that it had cleared holds after all."""
        self.needs("look")
        for name, carrier in self.carriers(self.open()):
            done = carrier.deliver(self.notice(self.key(ONE)), None, None)
            done = carrier.deliver(
                self.notice(self.key(ONE), RemoteState.INACTIVE), done.remote_id, done.remote_version
            )
            done = carrier.deliver(self.notice(self.key(ONE)), done.remote_id, done.remote_version)
            ensure(len(self.standing(name, key=self.key(ONE))) == 1, f"{name}: it does not stand again, once.")
            self._take_back(carrier, self.key(ONE), done)

    def test_a_prompt_taken_back_unheard_stands_again_when_it_is_wanted(self) -> None:
        """Our own lost write, taken for a person's decision, would hide the prompt for ever (F81, F86)."""
        self.needs("look", "faults")
        for name, carrier in self.carriers(self.open()):
            for number, (state, repeated) in enumerate(product(OVER, (False, True))):
                key = self.key(number)
                done = carrier.deliver(self.notice(key), None, None)
                self._unheard(carrier, self.notice(key, state), done)
                if repeated:  # by the next run, and called for again months later
                    again = self.notice(key, state, attempted=(state,))
                    done = self.open().carrier(name).deliver(again, done.remote_id, done.remote_version)
                wanted = self.notice(key, attempted=() if repeated else (state,))
                done = self.open().carrier(name).deliver(wanted, done.remote_id, done.remote_version)
                ensure(
                    len(self.standing(name, key=key)) == 1 and not done.human_edit,
                    f"{name}: taken back by us, unheard, and wanted again it does not stand once (Notice.attempted).",
                )
                self._take_back(carrier, key, done)

    def _unheard(self, carrier: Carrier, notice: Notice, done: Delivered) -> None:
        """The write is done, its answer is lost, and the process is ended before it notes what it found then."""
        self.faulty.lose_replies()
        with suppress(Unreachable):
            carrier.deliver(notice, done.remote_id, done.remote_version)
        self.faulty.heal()

    def test_a_prompt_put_up_again_unheard_stands_once_and_is_taken_back(self) -> None:
        """The process was ended behind the write: what it made is known here by its key alone (F81)."""
        self.needs("look")
        for name, carrier in self.carriers(self.open()):
            for number, state in enumerate(OVER):
                key = self.key(number)
                done = carrier.deliver(self.notice(key), None, None)
                done = carrier.deliver(self.notice(key, state), done.remote_id, done.remote_version)
                for attempted in ((), (RemoteState.ACTIVE,)):  # and nobody hears of either
                    again = self.notice(key, attempted=attempted)
                    self.open().carrier(name).deliver(again, done.remote_id, done.remote_version)
                    stands = len(self.standing(name, key=key))
                    ensure(stands == 1, f"{name}: put up again, unheard, it stands {stands} times.")
                over = self.notice(key, RemoteState.RETRACTED, attempted=(RemoteState.ACTIVE,))
                self.open().carrier(name).deliver(over, done.remote_id, done.remote_version)
                ensure(not self.standing(name), f"{name}: put up again, unheard, and taken back, it still stands.")

    def test_what_was_never_sent_is_not_made_to_be_taken_back(self) -> None:
        """A flag that came and went between two runs leaves no trace on the platform (F87)."""
        for name, carrier in self.carriers(self.open()):
            for state in (RemoteState.INACTIVE, RemoteState.RETRACTED):
                done = carrier.deliver(self.notice(self.key(TWO), state), None, None)
                ensure(done.remote_id is None and not done.created, f"{name}: something was made to be taken back.")
                ensure(
                    not self._count(name, carrier, self.key(TWO)),
                    f"{name}: what was taken back before it was sent stands.",
                )

    def test_one_prompt_taken_back_leaves_the_other(self) -> None:
        """Two rules may prompt about one client; where one mark serves both it goes with the last (Notice.beside)."""
        self.needs("look")
        for name, carrier in self.carriers(self.open()):
            one = carrier.deliver(self.notice(self.key(ONE), beside=0), None, None)
            two = carrier.deliver(self.notice(self.key(TWO), beside=1), None, None)
            retracted = RemoteState.RETRACTED
            carrier.deliver(self.notice(self.key(ONE), retracted, beside=1), one.remote_id, one.remote_version)
            ensure(len(self.standing(name, key=self.key(TWO))) == 1, f"{name}: with one prompt another was taken away.")
            carrier.deliver(self.notice(self.key(TWO), retracted, beside=0), two.remote_id, two.remote_version)
            ensure(not self.standing(name), f"{name}: the last prompt was taken back, and something still stands.")

    def test_a_prompt_is_found_by_its_key(self) -> None:
        """What was written while the answer was lost has no id here; it is looked for by its key alone."""
        for name, carrier in self.carriers(self.open()):
            others = self._bearers(carrier) if self.live else set()  # clients who bear the tag for prompts of their own
            ensure({*carrier.find(self.key(THREE))} <= others, f"{name}: a key that was never sent is found.")
            done = carrier.deliver(self.notice(self.key(THREE)), None, None)
            found = [one for one in carrier.find(self.key(THREE)) if one not in others or one == done.remote_id]
            looks = self.double.can("look") is None
            keyed = any(mark.key for mark in self.standing(name)) if looks else bool(found)
            ensure(found == [done.remote_id] or not (found or keyed), f"{name}: a prompt that stands is not found.")
            self._take_back(carrier, self.key(THREE), done)

    def test_a_prompt_that_a_person_removed_stays_removed(self) -> None:
        """They had their reason; a thing that comes back each night is switched off (F86)."""
        self.needs("look", "tidy")
        for name, carrier in self.carriers(self.open()):
            done = carrier.deliver(self.notice(self.key(ONE)), None, None)
            self.double.remove(self.standing(name, key=self.key(ONE))[0])
            again = carrier.deliver(self.notice(self.key(ONE)), done.remote_id, done.remote_version)
            ensure(not self.standing(name, key=self.key(ONE)), f"{name}: what a person removed was put back.")
            ensure(again.human_edit, f"{name}: it is not said that a person removed it (Delivered.human_edit).")
            closed = carrier.deliver(
                self.notice(self.key(ONE), RemoteState.INACTIVE), again.remote_id, again.remote_version
            )
            ensure(closed.refused is None, f"{name}: to take back what a person removed was refused.")

    def test_a_prompt_has_the_neutral_title_and_a_reason_only_if_given_one(self) -> None:
        """Whoever looks over a shoulder reads it; the core gives a reason where the practice allowed it."""
        self.needs("look")
        for name, carrier in self.carriers(self.open()):
            done = carrier.deliver(self.notice(self.key(ONE), based_on=("form-kestrel-7",)), None, None)
            for mark in self.standing(name, key=self.key(ONE)):
                text = mark.text.lower()
                ensure("handrail" in text, f"{name}: nobody can tell where the prompt comes from.")
                ensure("none" not in text.split(), f"{name}: where there is no reason it shows “None”.")
                for word in (*self.double.clients().values(), "form-kestrel-7", self.key(ONE)[:8]):
                    ensure(word.lower() not in text, f"{name}: people read an id or a name in it.")
                ensure(not self.live or TITLE.lower() in text, f"{name}: the title is another.")
            self._take_back(carrier, self.key(ONE), done)

    def test_a_chart_that_was_closed_is_refused_with_a_reason(self) -> None:
        """A client archived between pull and push: the prompt goes to the list by hand, the others go on (F88)."""
        self.needs("look", "close")
        for name, carrier in self.carriers(self.open()):
            self.double.close_client(self.client())
            try:
                done = carrier.deliver(self.notice(self.key(ONE)), None, None)
            except PlatformError as error:
                ensure(False, f"{name}: a closed chart ends in {type(error).__name__}, not in Delivered.refused.")
            else:
                ensure(done.refused, f"{name}: a closed chart took a prompt, or nobody said that it did not.")
            other = carrier.deliver(self.notice(self.key(TWO), client=self.client(1)), None, None)
            ensure(other.refused is None, f"{name}: after a refusal the next client's prompt was refused, too.")
            return
