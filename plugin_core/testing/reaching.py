"""Conformance: nothing goes to another place than the configured one, and nothing private into a log or an error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ...schemas.vocab import RemoteState
from ..contracts import Adapter
from ..errors import PlatformError
from .bench import LAST_KEY, Bench
from .failing import NONSENSE
from .judging import ensure
from .loopback import Loopback, Reply, Request
from .platform import OPTIONS, Double


class Elsewhere(Loopback):
    """A place where nothing may arrive."""

    def handle(self, request: Request) -> Reply:  # noqa: ARG002 - whatever comes
        return Reply(200, {})


class ReachingTests(Bench):
    """Hosts, redirects, words."""

    def test_a_link_to_another_host_is_not_followed(self) -> None:
        """The key would go with it, to whoever runs that host (S1, F23)."""
        self.needs("add", "pages", "next-links")
        given = self.fill(self.double.page_size * 2 + 1, apart=0.0)  # of one moment: time alone leads to no next page
        with Elsewhere() as elsewhere:
            self.double.lead_to(elsewhere.origin)
            done = self.pull(self.open())
            ensure(not elsewhere.seen, "A link to another host was followed.")
        passed = done.error is not None or set(given) <= done.ids
        ensure(passed, "A link to another host was passed over without a word: forms are missing.")

    def test_a_redirect_to_another_host_is_not_followed(self) -> None:
        """The usual library follows it, and some send the key along (S2)."""
        self.needs("faults")
        double = self.faulty
        with Elsewhere() as elsewhere:
            self._try_everything(lambda: double.redirect(elsewhere.origin, times=1000))
            ensure(not elsewhere.seen, "A redirect to another host was followed.")

    def test_no_name_answer_or_token_in_any_log_or_error(self) -> None:
        """Logs and error texts are mailed around and kept for years (S23, S24)."""
        if self.double.can("add") is None:
            self.fill(self.double.page_size + 1)
        texts = self._try_everything(lambda: None)
        if self.double.can("faults") is None:
            double = self.faulty
            for status in (400, 403, 500):
                texts += self._try_everything(partial(double.fail, status, on="any", times=1000))
            texts += self._try_everything(lambda: double.talk_nonsense(b"{"))
            texts += self._try_everything(lambda: double.redirect("http://127.0.0.1:9", times=1000))
        if self.double.can("wrong") is None:
            texts += self._try(self.open(self.double.wrong_secrets()), lambda adapter: adapter.test())
        self._ensure_clean([*texts, *self.said, *self._listening.lines])

    def test_whatever_comes_it_raises_platform_errors_alone(self) -> None:
        """Any other error ends the whole run of all practices with a traceback instead of a sentence."""
        self.needs("faults")
        double = self.faulty
        if double.can("add") is None:
            self.fill(2)
        odd: list[str] = []
        for body, kind in NONSENSE:
            self._try_everything(partial(double.talk_nonsense, body, kind), odd)
        for status in (400, 404, 409, 418, 422, 500):
            self._try_everything(partial(double.fail, status, on="any", times=1000), odd)
        ensure(not odd, f"It raises {', '.join(sorted(set(odd)))}.")

    def _try_everything(self, plant: Callable[[], object], odd: list[str] | None = None) -> list[str]:
        """One of each thing that an adapter does, with a fault planted before each; what a person would read of it."""
        adapter = self.open()
        texts = []
        for work in self._everything():
            plant()
            texts += self._try(adapter, work, odd)
            if isinstance(self.double, Double):
                self.double.heal()
        return texts

    def _ensure_clean(self, texts: list[str]) -> None:
        wrong = self.double.wrong_secrets() if self.double.can("wrong") is None else {}
        held = {**self.double.secrets(), **self.kept}
        private = {
            "a client's name": self.double.clients().values(),
            "an answer": [label for label in OPTIONS if not self.live],
            "a secret": [one for one in [*held.values(), *wrong.values()] if len(one) > 5],
        }
        for what, words in private.items():
            for word in words:
                for text in texts:
                    ensure(word.lower() not in text.lower(), f"In a log or an error there is {what}.")

    def _everything(self) -> list[Callable[[Adapter], object]]:
        """One of each thing that an adapter does."""
        works: list[Callable[[Adapter], object]] = [
            lambda adapter: adapter.test(),
            lambda adapter: list(adapter.forms()),
            lambda adapter: list(adapter.pull(None)),
            lambda adapter: list(adapter.listing()),
            lambda adapter: adapter.fetch(["1"]),
            lambda adapter: list(adapter.clients(list(self.double.clients()))),
        ]
        if self.double.can("carriers") is None:
            names = self.only_carriers or [carrier.name for carrier in self.spec.carriers]
            works += [partial(self._both_ways, name) for name in names]
        return works

    def _both_ways(self, carrier: str, adapter: Adapter) -> None:
        standing = adapter.carrier(carrier)
        key = self.key(LAST_KEY)
        made = standing.deliver(self.notice(key), None, None)
        standing.find(key)
        standing.deliver(self.notice(key, RemoteState.RETRACTED), made.remote_id, made.remote_version)

    def _try(self, adapter: Adapter, work: Callable[[Adapter], object], odd: list[str] | None = None) -> list[str]:
        """What a person would read of it; `odd` takes the names of errors that are no PlatformErrors."""
        try:
            work(adapter)
        except PlatformError as error:
            return [error.message, error.detail or "", str(error), repr(error)]
        except Exception as error:  # noqa: BLE001 - judged by the caller
            if odd is not None:
                odd.append(type(error).__name__)
            return [str(error), repr(error)]
        return []
