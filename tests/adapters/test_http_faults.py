"""F29 to F46 and S12: what goes wrong on the wire ends in one plain sentence, and what passes is waited for."""

from __future__ import annotations

import copy
import dataclasses
import gzip
import json
import pickle
import socket
import time
import tracemalloc
from typing import Any

import pytest
from handrail.adapters.secret import Secret
from handrail.adapters.transport import Limits
from handrail.adapters.waiting import retry_after
from handrail.plugin_core.errors import Denied, HandrailError, NotTheApi, Unreachable

from .conftest import CANARY
from .script import DATE, Answer, Script, Seen, bundle, fhir, response

PAGE = fhir(bundle(response("r1")))


def in_turn(*answers: Answer) -> Any:
    """Answers one after the other; the last one is repeated."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("Sun, 22 Nov 2026 12:00:45 GMT", 45.0),
        ("Sun, 22 Nov 2020 12:00:00 GMT", 0.0),
        ("9" * 5000, 10.0**10),
        ("abc", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("Sun, 99 Nov 2026 99:00:00 GMT", None),
        ("٣", None),
    ],
)
def test_f31_retry_after_in_all_shapes(text: str, seconds: float | None) -> None:
    """A malformed Retry-After makes the usual library raise, which would end the sync of a busy practice."""
    assert retry_after({"Retry-After": text, "Date": DATE}) == seconds


@pytest.mark.parametrize("told", ["abc", "-5", "1.5", "Sun, 22 Nov 2036 12:00:00 GMT", "2"])
def test_f30_f31_f32_a_busy_server_is_waited_for(connect, clock, told: str) -> None:  # type: ignore[no-untyped-def]
    """Giving up at the first 429 would leave a practice without its sync every busy morning."""
    with Script(in_turn(fhir({}, 429, Retry_After=told), fhir({}, 503, Retry_After=told), PAGE)) as server:
        pages = list(connect(server.base).pull(None))
    assert [one.id for one in pages[0].responses] == ["r1"]
    assert len(clock.slept) >= 2
    assert all(seconds <= 300 for seconds in clock.slept)
    if told == "2":
        assert clock.slept[0] == 2.0


def test_f30_while_one_request_waits_no_other_of_its_source_is_sent(connect, clock) -> None:  # type: ignore[no-untyped-def]
    """Threads that go on asking after a 429 get the key blocked; what another platform does is its own affair."""
    asked_at: list[float] = []
    elsewhere: list[float] = []
    plain = clock.sleep

    def reply(_: Seen) -> Answer:
        asked_at.append(clock.time)
        return fhir({}, 429, Retry_After="30") if len(asked_at) == 1 else PAGE

    def others_go_on(_: Seen) -> Answer:
        elsewhere.append(clock.time)
        return PAGE

    def sleep(seconds: float) -> None:
        if not elsewhere:  # while the first request waits, others are wanted
            list(stranger.pull(None))
            list(adapter.pull(None))
        plain(seconds)

    with Script(reply) as server, Script(others_go_on) as other:
        clock.sleep = sleep
        adapter, stranger = connect(server.base), connect(other.base)
        list(adapter.pull(None))
    assert elsewhere == asked_at[:1]
    assert asked_at[1] == asked_at[0] + 30


def test_f32_a_server_that_stays_busy_ends_the_run_incomplete(connect, clock) -> None:  # type: ignore[no-untyped-def]
    """An endless wait would block every later sync of this practice."""
    with Script(lambda _: fhir({}, 503)) as server:
        with pytest.raises(Unreachable) as caught:
            list(connect(server.base).pull(None))
        assert len(server.seen) == 5
    assert caught.value.exit_status == 3
    assert clock.slept == sorted(clock.slept)


@pytest.mark.parametrize(("status", "kind"), [(401, Denied), (403, Denied), (400, HandrailError)])
def test_f34_refusals_are_not_repeated(connect, status: int, kind: type[HandrailError]) -> None:  # type: ignore[no-untyped-def]
    """Repeating a wrong password locks the account on many platforms."""
    with Script(lambda _: fhir({}, status)) as server:
        adapter = connect(server.base, {"token": CANARY}, auth="bearer", token="ref")
        with pytest.raises(kind) as caught:
            list(adapter.pull(None))
        assert len(server.seen) <= 2
    assert CANARY not in str(caught.value)
    if status == 403:
        assert "QuestionnaireResponse" in str(caught.value)


def test_a_server_that_wants_a_sign_in_says_which_setting(connect) -> None:  # type: ignore[no-untyped-def]
    """ "Check the credential" sends people looking for one that they never had."""
    with Script(lambda _: fhir({}, 401)) as server, pytest.raises(Denied) as caught:
        list(connect(server.base).pull(None))
    assert "wants a sign-in" in str(caught.value)
    assert "auth" in str(caught.value)
    with Script(lambda _: fhir({}, 401)) as server, pytest.raises(Denied, match="Check the credential"):
        list(connect(server.base, {"token": CANARY}, auth="bearer", token="ref").pull(None))


def test_f35_nobody_listens(connect, clock) -> None:  # type: ignore[no-untyped-def]
    """A laptop without network must say so and go on later, not look broken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="did not answer"):
        list(connect(f"http://127.0.0.1:{port}/fhir").pull(None))
    assert len(clock.slept) == 4  # tried five times: a connection that comes back costs no sync


def _drip(in_head: bool) -> Any:
    def raw(out: Any) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n")
        if not in_head:
            out.write(b"Content-Length: 100000\r\n\r\n")
        for _ in range(200):
            out.write(b"X" if in_head else b" ")
            out.flush()
            time.sleep(0.05)

    return raw


@pytest.mark.parametrize("in_head", [True, False])
def test_f36_one_byte_at_a_time_is_ended_by_the_whole_request_limit(connect, in_head: bool) -> None:  # type: ignore[no-untyped-def]
    """Each byte resets the library's read limit, so a dripping server would hold the sync for days."""
    with Script(lambda _: Answer(raw=_drip(in_head))) as server:
        adapter = connect(server.base, limits=Limits(connect=1, read=1, whole=0.3))
        began = time.monotonic()
        with pytest.raises(Unreachable):
            adapter.test()
        assert time.monotonic() - began < 5.0


def test_f37_f38_a_body_that_breaks_off_is_asked_for_again(connect) -> None:  # type: ignore[no-untyped-def]
    """Half a page taken for a whole one would lose the other half for good."""
    whole = PAGE.body
    short = Answer(200, whole[:50], {**PAGE.headers, "Content-Length": str(len(whole)), "Connection": "close"})
    no_length = Answer(
        raw=lambda out: out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + whole[:-20])
    )
    with Script(in_turn(no_length, no_length, PAGE)) as server:
        assert [len(p.responses) for p in connect(server.base).pull(None)] == [1]
    short_raw = Answer(
        raw=lambda out: out.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole) + short.body)
    )
    with Script(in_turn(short_raw, PAGE)) as server:
        assert [len(p.responses) for p in connect(server.base).pull(None)] == [1]


def test_f37_a_body_shorter_than_announced_is_none_whatever_it_reads_like(connect) -> None:  # type: ignore[no-untyped-def]
    """What is there may end by chance where a list ends; what is missing would never be asked for again."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n"
    short = Answer(raw=lambda out: out.write(head % (len(PAGE.body) + 20) + PAGE.body))
    with Script(in_turn(short, fhir(bundle(response("r1"), response("r2"))))) as server:
        assert [len(page.responses) for page in connect(server.base).pull(None)] == [2]


@pytest.mark.parametrize("kind", ["text/html", "application/fhir+json"])
def test_f39_a_login_page_with_status_200(connect, kind: str) -> None:  # type: ignore[no-untyped-def]
    """A captive portal taken for an empty list would look like a practice without answers."""
    page = Answer(200, b"<!doctype html><p>Please sign in, canary", {"Content-Type": kind})
    with Script(lambda _: page) as server, pytest.raises(NotTheApi) as caught:
        list(connect(server.base).pull(None))
    assert "canary" not in str(caught.value)
    assert "web page" in str(caught.value)


def test_f29_s33_a_compressed_flood_stops_at_the_cap_and_the_page_shrinks(connect) -> None:  # type: ignore[no-untyped-def]
    """A page compressed 1000:1 would fill the memory of the practice's computer."""
    flood = gzip.compress(json.dumps(bundle(response("r1", note="x" * 3_000_000))).encode())

    def reply(seen: Seen) -> Answer:
        if "_count=500" in seen.path or "_count=250" in seen.path:
            return Answer(200, flood, {**PAGE.headers, "Content-Encoding": "gzip"})
        return PAGE

    with Script(reply) as server:
        pages = list(connect(server.base, limits=Limits(body=1_000_000)).pull(None))
        assert [s.path.rpartition("=")[2] for s in server.seen] == ["500", "250", "125"]
    assert pages[-1].cursor is not None
    assert pages[-1].cursor.page_size == 125


def test_f29_what_is_compressed_a_thousandfold_is_never_unpacked_whole(connect) -> None:  # type: ignore[no-untyped-def]
    """Measured after it was unpacked, it would have filled the memory already."""
    page = bundle(response("r1", note="x" * (64 << 20)))
    flood = Answer(200, gzip.compress(json.dumps(page).encode(), 1), {**PAGE.headers, "Content-Encoding": "gzip"})
    del page
    with Script(lambda seen: flood if "_count=500" in seen.path else PAGE) as server:
        adapter = connect(server.base, limits=Limits(body=1_000_000))
        tracemalloc.start()
        try:
            assert [one.id for page in adapter.pull(None) for one in page.responses] == ["r1"]
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()


def test_f29_an_answer_without_end_is_left_at_the_cap(connect) -> None:  # type: ignore[no-untyped-def]
    """A download link that answers instead of the list would be read until the memory is full."""
    sent: list[int] = []

    def endless(out: Any) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n\r\n")
        for number in range(64):
            sent.append(number)
            out.write(b" " * (1 << 20))

    with Script(lambda seen: Answer(raw=endless) if "_count=500" in seen.path else PAGE) as server:
        pages = list(connect(server.base, limits=Limits(wire=1 << 20)).pull(None))
        assert [s.path.rpartition("=")[2] for s in server.seen] == ["500", "250"]
    assert [one.id for one in pages[0].responses] == ["r1"]
    assert len(sent) < 64


def test_s33_a_flood_that_is_not_compressed_stops_at_its_cap_too(connect) -> None:  # type: ignore[no-untyped-def]
    """What comes over the wire has a cap of its own: it is held before anything is known of what is in it."""
    flood = fhir(bundle(response("r1", note="x" * 3_000_000)))
    with Script(lambda seen: flood if "_count=500" in seen.path else PAGE) as server:
        pages = list(connect(server.base, limits=Limits(wire=1_000_000)).pull(None))
        assert [s.path.rpartition("=")[2] for s in server.seen] == ["500", "250"]
    assert [[one.id for one in page.responses] for page in pages] == [["r1"]]


def test_s12_secrets_print_as_stars() -> None:
    """One forgotten log line of a settings object would put the practice's key into a file."""
    secret = Secret(CANARY)

    @dataclasses.dataclass
    class Holder:
        token: Secret

    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>10}", repr(dataclasses.asdict(Holder(secret)))]
    assert not any(CANARY in text for text in shown)
    assert copy.deepcopy(secret) is secret
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"token": secret})


def test_s8_s24_errors_hold_no_url_body_or_header(connect) -> None:  # type: ignore[no-untyped-def]
    """Errors are mailed to support; what stands in them leaves the practice."""
    with Script(lambda _: fhir({"issue": [{"diagnostics": CANARY}]}, 404)) as server:
        adapter = connect(server.base)
        with pytest.raises(HandrailError) as caught:
            list(adapter.pull(None))
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in str(error)
        assert "_lastUpdated" not in str(error)
        error = error.__cause__
