"""The desk on a computer that gives no more threads (ulimit -u, a container's pids limit)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from handrail.adapters.demo.server import DemoServer
from handrail.plugin_core.cli.login import Loopback
from handrail.plugin_core.threads import NoThread
from handrail.plugin_core.web.errand import Errand
from handrail.plugin_core.web.following import Follower
from handrail.plugin_core.web.serving import make_server

from ..fewthreads import refused
from .people import House
from .test_form import ADDRESS, Asked

SAID = "nothing more at the same time"


def test_a_form_that_was_sent_arrives_without_a_thread(
    open_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client would see an error over answers that were taken, and a safety answer would wait for the next sync."""
    asked = Asked(open_house(address=ADDRESS))
    before = len(asked.forms())
    tried = refused(monkeypatch, lambda thread: thread.name.startswith("handrail"))
    assert asked.post("send", asked.all_at(1)).status_code == 200
    assert "handrail-arrivals" in tried
    assert len(asked.forms()) == before + 1


def test_an_announcement_without_a_thread_is_left_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that gets an error for its announcement sends no more of them after a while."""
    done: list[int] = []

    def sync() -> int:
        done.append(1)
        return 0

    follower = Follower(sync, wait=0, apart=0)
    with monkeypatch.context() as patch:
        refused(patch)
        follower.hear()
    assert done == []
    follower.hear()
    assert follower._errand.settled(20)
    assert done == [1]


def test_an_errand_says_whether_it_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told that somebody works on it does not do so in another way."""
    errand = Errand("errand", lambda: False, lambda: 0.0)
    with monkeypatch.context() as patch:
        refused(patch)
        assert not errand.hear()
        assert errand.settled(0)
    assert errand.hear()
    assert errand.settled(20)


def test_what_cannot_do_without_a_thread_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk, a person's sign-in on the platform, and the demo: "unforeseen fault" would tell nobody what to do."""
    with Loopback(opens=lambda _: True, tells=lambda _: None, seconds=1) as browser, monkeypatch.context() as patch:
        refused(patch)
        with pytest.raises(NoThread, match=SAID):
            make_server(house.desk)
        with pytest.raises(NoThread, match=SAID):
            browser.visit("http://127.0.0.1/?state=x")
        with pytest.raises(NoThread, match=SAID), DemoServer(seed=1):
            pytest.fail("it listens to nobody")
