"""What somebody who means ill, or a bad day, does to the desk: each of these once went wrong."""

from __future__ import annotations

import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from handrail.plugin_core.settings_web import RecordSystem
from handrail.plugin_core.store import book
from handrail.plugin_core.web import oidc
from handrail.plugin_core.web.api import KIND
from handrail.plugin_core.web.following import Follower
from handrail.plugin_core.web.oidc import Party
from handrail.plugin_core.web.staff import Staff, Wanted
from handrail.plugin_core.web.tokens import Refused, Tokens
from handrail.plugin_core.web.tries import BY_ADDRESS, BY_NAME, Guard
from handrail.schemas.vocab import FlagState
from joserfc import jwt
from joserfc.jwk import ECKey

from .people import PASSWORD, House
from .test_cds import Ehr, ehr, prompted

__all__ = ["ehr"]

KEY = ECKey.generate_key("P-384", {"kid": "k"})
ADDRESS = "https://desk.practice.example"


@contextmanager
def answering(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of this machine while the block lasts; gives its place, host:port."""
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


# --- keys of record systems ------------------------------------------------------------------------------------------


def forged(issuer: str = "https://ehr.example") -> str:
    """A token that anybody can make: the issuer's name is no secret."""
    now = int(time.time())
    said = {"iss": issuer, "aud": "x", "iat": now, "exp": now + 60, "jti": "a"}
    return "Bearer " + jwt.encode({"alg": "ES384", "kid": "nobody's"}, said, KEY, algorithms=["ES384"])


def test_forged_tokens_do_not_make_the_desk_wait_for_keys_each_time(tmp_path: Path) -> None:
    """While the record system's keys cannot be read, each forged token would hold a thread for seconds: the desk
    would stand still for everybody."""
    asked = []

    class Down(Tokens):
        __slots__ = ()

        def _raw(self, where: str) -> Any:
            asked.append(where)
            raise requests.ConnectTimeout

    checks = Down((RecordSystem("EHR", "https://ehr.example", "https://ehr.example/keys"),), tmp_path)
    for _ in range(20):
        with pytest.raises(Refused):
            checks.check(forged(), "x")
    assert len(asked) == 1


def test_keys_that_break_off_are_keys_that_cannot_be_read(tmp_path: Path) -> None:
    """A fault of the network in the middle of the answer must be a refusal, not a fault of the desk."""

    class Cut(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"keys": [')

        def log_message(self, *_: Any) -> None: ...

    with answering(Cut) as place:
        checks = Tokens((RecordSystem("EHR", "https://ehr.example", f"http://{place}/keys"),), tmp_path)
        with pytest.raises(Refused):
            checks.check(forged(), "x")


# --- health ----------------------------------------------------------------------------------------------------------


def test_health_looks_at_the_store(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that is told all is well while no page can be shown calls nobody."""
    from handrail.plugin_core.errors import StoreError

    house.account("administrator", login="boss")
    client = house.app.test_client()
    assert client.get("/health").status_code == 200

    def broken(_tx: Any) -> None:
        raise StoreError("The store does not answer.")

    monkeypatch.setattr(book, "last_source", broken)
    assert client.get("/health").status_code == 503


def test_numbers_are_not_told_through_a_proxy(open_house: Callable[..., House]) -> None:
    """A proxy on the same computer makes everybody look as if they sat there: the world would see how many clients
    a practice has."""
    house = open_house(address=ADDRESS)
    house.account("administrator", login="boss")
    client = house.app.test_client()
    assert client.get("/metrics", headers={"Host": "desk.practice.example"}).status_code == 404
    assert client.get("/metrics", headers={"Host": "127.0.0.1:8737"}).status_code == 200


# --- scopes ----------------------------------------------------------------------------------------------------------


def test_who_may_only_acknowledge_reads_no_reasons(house: House) -> None:
    """A token that may say "seen" must not be a way to read why a flag stands, or what others noted."""
    house.account("administrator", login="boss")
    more = {"login": "program x", "scopes": ["acknowledge"]}
    token = house.ask(lambda e: Staff(e).begin_as(KIND, "p" * 32, 60, more=more))
    row = house.ask(lambda e: next(r for r in e.flags() if r.flag.state is FlagState.RAISED and r.kind != "safety"))
    answer = house.app.test_client().post(
        f"/api/v1/flags/{row.flag.key}/acknowledgements",
        json={"author": "anna"}, headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert answer.status_code == 201
    assert answer.json is not None
    assert row.flag.evidence.reason not in answer.json.values()


# --- the store is changed below a running desk -----------------------------------------------------------------------


def test_a_running_desk_follows_a_store_that_was_put_back(house: House, tmp_path: Path) -> None:
    """A desk that kept the old file open would write acknowledgements into a file that nobody reads again."""
    from handrail.plugin_core.keeping.backup import restore

    browser = house.browser("supervisor")
    assert browser.get("/clients").status_code == 200
    house.ask(lambda e: e.keeping.backup(tmp_path / "b", "boss"))
    house.ask(lambda e: Staff(e).change(house.account("clinician", login="late").key, "boss", state="closed"))
    restore(house.desk.settings, tmp_path / "b", "boss", replace=True)
    assert browser.get("/clients").status_code == 200
    fresh = house.ask(lambda e: [one.login for one in Staff(e).everybody()])
    assert "late" not in fresh


def test_a_running_desk_follows_both_kinds_of_new_keys(house: House) -> None:
    """After a new master key and then a new key of the practice, every page would be a fault until somebody restarts
    the desk."""
    from handrail.plugin_core.keeping.rotation import open_with, rotate, rotate_master

    browser = house.browser("supervisor")
    assert browser.get("/clients").status_code == 200
    settings = house.desk.settings
    with open_with(settings) as store:
        rotate_master(store, settings)
    with open_with(settings) as store:
        rotate(store, settings, lambda *_: None)
    assert browser.get("/clients").status_code == 200


# --- provider --------------------------------------------------------------------------------------------------------


def test_no_password_of_this_computer_goes_to_a_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A .netrc of the account that runs the desk holds passwords for quite other things (S8)."""
    seen: list[str | None] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None: ...

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with answering(Answer) as place:
        assert oidc.fetch(Party("c", "", "openid", "x", (place,)), f"http://{place}/") == {}
    assert seen == [None]


def test_a_slow_provider_does_not_hold_every_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may begin a sign-in there: a few clicks would make the desk stand still for all."""
    inside, most = [0], [0]

    def slow(*_: Any, **__: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(1.5)
        inside[0] -= 1
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests.Session, "get", slow)

    def ask() -> None:
        with pytest.raises(oidc.Failed):
            oidc.fetch(Party("c", "", "openid", "x", ("id.example",)), "https://id.example/")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    begun = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most[0] <= 2
    assert time.monotonic() - begun < 3


# --- cards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [{"overrideReason": {"reason": {"code": ["x"]}}}, {"acceptedSuggestions": 5}, {"acceptedSuggestions": {"a": 1}}],
)
def test_feedback_of_odd_types_is_no_fault(ehr: Callable[..., Ehr], more: dict[str, Any]) -> None:
    """What a record system sends by mistake must not look like a fault of the desk."""
    one = ehr()
    _, row = prompted(one.house)
    told = {"card": row.flag.key, "outcome": "overridden", **more}
    assert one.post({"feedback": [told]}, path="/cds-services/handrail/feedback").status_code == 200


# --- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/people", "/programs", "/me", "/clients", "/due", "/hand-over"])
def test_no_two_fields_share_an_id(house: House, path: str) -> None:
    """A label that belongs to two fields ticks the first: a click on "therapist" gave the role of a clinician."""
    page = house.browser("administrator", "clinician", "supervisor").get(path).text
    found = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(found) == sorted(set(found))


# --- announcements ---------------------------------------------------------------------------------------------------


def test_an_announcement_at_the_last_moment_is_followed() -> None:
    """An announcement in the moment in which the follower ends would wait for the next one, days later."""
    done: list[int] = []

    def sync() -> int:
        done.append(1)
        return 0

    follower = Follower(sync, wait=0.0, apart=0.0)
    for number in range(3000):
        follower.hear()
        until = time.monotonic() + 5
        while len(done) <= number:
            assert time.monotonic() < until, f"announcement {number} was lost"


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_link_used_in_eight_tabs_at_once_makes_one_account(house: House) -> None:
    house.account("administrator", login="boss")
    token = house.ask(lambda e: Staff(e).invite(Wanted("Eve", "eve", frozenset({"clinician"})), "boss"))
    got: list[str] = []
    gate = threading.Barrier(8)

    def use() -> None:
        from handrail.plugin_core.errors import UsageError

        with house.desk.engine() as engine:
            gate.wait()
            try:
                got.append(Staff(engine).accept(token, "", "", PASSWORD).login)
            except UsageError as error:
                got.append(error.message)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert got.count("eve") == 1, got


def test_eight_guesses_at_once_are_eight_guesses(house: House) -> None:
    """Guesses that are sent side by side must not all slip in before the first one is counted."""
    house.account("clinician")
    checked = []
    right = Staff.by_password

    def slow(self: Staff, login: str, password: str) -> Any:
        checked.append(password)
        time.sleep(0.2)
        return right(self, login, password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Staff, "by_password", slow)

        def guess(n: int) -> None:
            browser = house.browser()
            browser.sign_in(password=f"wrong number {n}")

        for n in range(4):
            guess(n)
        checked.clear()
        threads = [threading.Thread(target=guess, args=(n,)) for n in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(checked) <= 1, checked


def test_a_success_opens_what_it_has_shut_and_nothing_else(house: House) -> None:
    """Who has an account of their own must not open the place again that their guesses at others' have shut."""

    def tries(name: str) -> Guard:
        return Guard({("name", name): BY_NAME, ("address", "192.0.2.9"): BY_ADDRESS})

    with house.app.test_request_context("/sign-in"):
        assert [tries(f"guess {n}").take() for n in range(28)] == [0] * 28
        mine = tries("mine")
        assert mine.take() == tries("guess 28").take() == 0
        mine.passed(taken=True)
        assert tries("guess 29").take() > 0
        house.clock.later(hours=2)
        assert [tries(f"guess {n}").take() for n in range(29)] == [0] * 29
        mine = tries("mine")
        assert mine.take() == 0, "the thirtieth: it is right"
        mine.passed(taken=True)
        assert tries("guess 29").take() == 0
