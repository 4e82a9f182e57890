"""What machines see of the desk: the platform's calls, whether it is alive, numbers. None of it names anybody."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from handrail.plugin_core.contracts import Hint, Refusal, WebhookRequest
from handrail.plugin_core.web.following import Follower
from handrail.plugin_core.web.hooks import FOLLOWER

from .people import House


class Quiet:
    """Counts announcements instead of running a sync."""

    def __init__(self) -> None:
        self.heard = 0

    def hear(self) -> None:
        self.heard += 1


@pytest.fixture
def listening(house: House, monkeypatch: pytest.MonkeyPatch) -> tuple[House, Quiet]:
    """A desk whose platform has webhooks that are verified by one header."""
    from handrail.plugin_core.engine import Engine

    def webhook(_context: Any, call: WebhookRequest) -> Hint | Refusal:
        if call.headers.get("x-signed") != "yes":
            return Refusal("not signed")
        return Hint(key=call.body.decode(), reply=b"{}")

    spec = Engine.spec
    monkeypatch.setattr(Engine, "spec", property(lambda e: replace(spec.func(e), webhook=webhook)))  # type: ignore[attr-defined]
    house.account("administrator", login="boss")
    quiet = Quiet()
    house.app.extensions[FOLLOWER] = quiet
    return house, quiet


def test_a_platforms_call_starts_a_look_and_no_other_does(listening: tuple[House, Quiet]) -> None:
    """A forged call must not make the practice ask its platform all day."""
    house, quiet = listening
    client = house.app.test_client()
    assert client.post("/hooks", data=b"event-1").status_code == 403
    assert quiet.heard == 0
    assert client.post("/hooks/a-secret-part", data=b"event-1", headers={"X-Signed": "yes"}).status_code == 200
    assert quiet.heard == 1
    assert client.post("/hooks", data=b"x" * 300_000, headers={"X-Signed": "yes"}).status_code == 413
    assert client.put("/hooks").status_code == 405


def test_a_handful_of_announcements_is_one_sync() -> None:
    """Forty clients fill in their forms on Monday evening: one look every minute, never two at once."""
    running, most, done = [0], [0], threading.Event()
    times: list[float] = []

    def sync() -> int:
        running[0] += 1
        most[0] = max(most[0], running[0])
        times.append(time.monotonic())
        time.sleep(0.05)
        running[0] -= 1
        if len(times) == 2:
            done.set()
        return 0

    follower = Follower(sync, wait=0.05, apart=0.2)
    for _ in range(40):
        follower.hear()
    time.sleep(0.12)
    follower.hear()
    assert done.wait(5)
    time.sleep(0.3)
    assert (len(times), most[0]) == (2, 1)
    assert times[1] - times[0] >= 0.19


def test_alive_and_numbers(house: House) -> None:
    """Whoever watches must see that it lives, and learn nothing of anybody."""
    house.account("administrator", login="boss")
    client = house.app.test_client()
    assert client.get("/health").text == "ok\n"
    told = client.get("/metrics").text
    assert re.search(r"^handrail_responses \d+$", told, re.MULTILINE)
    assert "handrail_last_success_seconds" in told
    for name in house.clients_of().values():
        assert name not in told
    away = client.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"})
    assert away.status_code == 404
