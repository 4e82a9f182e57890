"""A platform's webhook: verified, bounded, kept as a hint to pull and never as data."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from handrail.plugin_core import cli, hints
from handrail.plugin_core.contracts import AdapterContext, Hint, Refusal, WebhookRequest
from handrail.plugin_core.engine import Engine
from handrail.plugin_core.store import book

from .stage import EVEN, Stage

KEY = b"signing-canary-41"
BODY = b'{"event": "answers", "form": "form-canary-42"}'


def hear(_: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
    """As an adapter verifies it."""
    signed = hmac.new(KEY, request.body, sha256).hexdigest()
    if not hmac.compare_digest(signed, request.headers.get("x-signature", "")):
        return Refusal("the signature is not the platform's")
    if request.method == "GET":
        return Hint("proof", reply=b"proof-of-address", pull=False)
    return Hint(sha256(request.body).hexdigest(), ("form-canary-42",))


def request(body: bytes = BODY, method: str = "POST", key: bytes = KEY) -> WebhookRequest:
    return WebhookRequest(method, "/webhook", "", {"x-signature": hmac.new(key, body, sha256).hexdigest()}, body)


Receive = Callable[..., tuple[int, bytes]]


@pytest.fixture(autouse=True)
def _fresh_doors() -> Iterator[None]:
    hints._doors.clear()
    yield
    hints._doors.clear()


def listening(engine: Engine, webhook: Any = hear) -> Engine:
    """The connected platform with a webhook."""
    spec = replace(engine.spec, webhook=webhook)
    engine.__dict__["spec"] = spec
    return engine


def receive(stage: Stage, *requests: WebhookRequest, webhook: Any = hear) -> list[tuple[int, bytes]]:
    with stage.engine() as engine:
        heard = listening(engine, webhook).hints
        return [heard.receive(one) for one in requests]


def waiting(stage: Stage) -> int:
    return stage.ask(lambda engine: engine.hints.waiting())  # type: ignore[no-any-return]


def trail(stage: Stage) -> list[str]:
    def look(engine: Engine) -> list[str]:
        with engine.store.reading(engine.source) as tx:
            return [entry.action for entry in book.trail(tx) if entry.action.startswith("webhook")]

    return stage.ask(look)  # type: ignore[no-any-return]


def test_a_genuine_one_makes_something_wait_and_nothing_else(stage: Stage) -> None:
    """What it says of a form is not believed: nothing is asked of the platform, nothing stored but that it came."""
    before = stage.requests()
    assert receive(stage, request()) == [(200, b"")]
    assert (waiting(stage), stage.requests() - before) == (1, {})
    assert not stage.seen().responses
    assert trail(stage) == ["webhook-heard"]


def test_a_replay_changes_nothing(stage: Stage) -> None:
    """Platforms deliver twice, and who has read one may send it for ever; the platform is told that all is well."""
    assert receive(stage, request(), request()) == [(200, b"")] * 2
    assert waiting(stage) == 1
    stage.sync()
    assert receive(stage, request()) == [(200, b"")]
    assert (waiting(stage), trail(stage)) == (0, ["webhook-heard"])


def test_a_forged_one_is_refused_and_written_down_once_an_hour(stage: Stage) -> None:
    """Anybody can send such; anybody could fill the trail."""
    assert receive(stage, *[request(key=b"guessed")] * 5) == [(403, b"")] * 5
    assert (waiting(stage), trail(stage)) == (0, ["webhook-refused"])
    stage.later(minutes=61)
    receive(stage, request(key=b"guessed"))
    assert trail(stage) == ["webhook-refused"] * 2


def test_what_is_too_large_or_of_another_kind_is_not_even_looked_at(stage: Stage) -> None:
    """The adapter's code meets only what may be the platform's."""

    def never(_: AdapterContext, __: WebhookRequest) -> Hint | Refusal:
        raise AssertionError

    large = request(b"x" * (hints.LARGEST_BODY + 1))
    assert [status for status, _ in receive(stage, large, request(method="PUT"), webhook=never)] == [413, 405]


def test_a_flood_is_turned_away_before_it_is_looked_at(stage: Stage) -> None:
    """Reading the secret and checking a signature cost; a flood must not reach them. A minute later all is well."""
    flood = [request(f"{number}".encode(), key=b"guessed") for number in range(hints.MOST_A_MINUTE)]
    assert {status for status, _ in receive(stage, *flood)} == {403}
    assert receive(stage, request()) == [(429, b"")]
    assert receive(stage, request()) == [(429, b"")], "another engine of the same practice has the same door"
    stage.later(minutes=1.1)
    assert receive(stage, request()) == [(200, b"")]


def test_a_clock_set_back_does_not_shut_the_door(stage: Stage) -> None:
    """Times that lie in the future would else count until they come."""
    receive(stage, *[request(key=b"guessed")] * hints.MOST_A_MINUTE)
    stage.now -= timedelta(hours=3)
    assert receive(stage, request()) == [(200, b"")]


def test_a_proof_of_the_address_is_answered_and_makes_nothing_wait(stage: Stage) -> None:
    """Some platforms ask once whether the address is ours."""
    assert receive(stage, request(b"", method="GET")) == [(200, b"proof-of-address")]
    assert waiting(stage) == 0


@pytest.mark.parametrize("webhook", [None])
def test_a_platform_without_webhooks_has_no_such_address(stage: Stage, webhook: None) -> None:
    """Nobody learns more than that there is nothing."""
    assert receive(stage, request(), webhook=webhook) == [(404, b"")]


def test_an_adapter_that_fails_is_asked_again_later_and_its_words_are_not_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The platform sends it again after a 503; an exception's text may hold what was in the body."""
    caplog.set_level(logging.DEBUG)

    def falls(_: AdapterContext, request: WebhookRequest) -> Hint | Refusal:
        raise ValueError(request.body)

    assert receive(stage, request(), webhook=falls) == [(503, b"")]
    assert "ValueError" in caplog.text
    assert "canary" not in caplog.text


def test_nothing_of_the_event_is_in_the_store(stage: Stage) -> None:
    """A keyed hash and a time: who reads the store learns of no form."""
    receive(stage, request())
    told = sha256(BODY).hexdigest().encode()
    everything = b"".join(path.read_bytes() for path in stage.folder.glob("store.db*"))
    assert told not in everything
    assert b"canary" not in everything


def test_a_sync_follows_what_was_announced_before_it_and_keeps_what_came_meanwhile(stage: Stage) -> None:
    """What is announced while the pages are read may lie behind them."""
    stage.course("c1", [EVEN])
    receive(stage, request())
    stage.later(minutes=1)
    with stage.engine() as engine:
        heard = listening(engine).hints

        def progress(part: str, _more: int, _of: int | None) -> None:
            if part == "pulling":
                stage.later(minutes=1)
                heard.receive(request(b"another"))

        engine.progress = progress
        engine.sync()
    assert waiting(stage) == 1
    stage.later(minutes=1)
    stage.sync()
    assert waiting(stage) == 0


def test_a_sync_that_could_not_reach_the_platform_leaves_it_waiting(stage: Stage) -> None:
    """Else the next `--if-hinted` would find nothing to do."""
    receive(stage, request())
    stage.write_settings(base="http://127.0.0.1:9/fhir")
    assert stage.sync().outcome.value == "incomplete"
    assert waiting(stage) == 1


def test_a_dry_run_leaves_it_waiting(stage: Stage) -> None:
    """It kept nothing of what it pulled."""
    receive(stage, request())
    stage.sync(dry_run=True)
    assert waiting(stage) == 1


def test_sync_if_hinted_asks_the_platform_only_where_something_was_announced(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run every minute it must cost nothing, and find a form within that minute."""
    stage.course("c1", [EVEN])
    command = ["--settings", str(stage.file), "sync", "--if-hinted", "--json"]
    before = stage.requests()
    assert cli.run(command) == 0
    assert '"announced": 0' in capsys.readouterr().out
    assert stage.requests() - before == {}
    receive(stage, request())
    assert cli.run(command) == 0
    assert '"complete"' in capsys.readouterr().out
    assert len(stage.seen().responses) == 1
    assert cli.run([*command[:-1], "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_events_are_forgotten_after_a_month_once_they_were_followed(stage: Stage) -> None:
    """The list does not grow for ever."""
    receive(stage, *[request(f"{number}".encode()) for number in range(5)])
    stage.sync()
    stage.later(days=31)
    receive(stage, request(b"new"))

    def rows(engine: Engine) -> int:
        from handrail.plugin_core.store.tables import hints as table
        from sqlalchemy import func, select

        with engine.store.reading(engine.source) as tx:
            return int(tx.conn.execute(select(func.count()).select_from(table)).scalar_one())

    assert stage.ask(rows) == 1
