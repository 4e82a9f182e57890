"""A person's sign-in: against a small authorisation server over real HTTP, and what must not come of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request as Asked
from urllib.request import urlopen

import pytest
from handrail.adapters.drchrono.settings import FLAG_SCOPES, SCOPES, DrChronoSettings, application
from handrail.adapters.drchrono.spec import SPEC
from handrail.adapters.login import TOKENS, sign_in
from handrail.adapters.network import base_at, transport_of
from handrail.adapters.openemr.settings import PERSON_SCOPES, OpenEmrSettings
from handrail.adapters.openemr.spec import SPEC as OPENEMR
from handrail.plugin_core.cli import run as command
from handrail.plugin_core.cli.login import Loopback
from handrail.plugin_core.contracts import AdapterContext
from handrail.plugin_core.contracts.connecting import _no_place
from handrail.plugin_core.errors import Denied, KeyProblem, SettingsError, Unreachable, UnsafeLink, UsageError
from handrail.plugin_core.store import keys

from .doubles.base import Reply, Request
from .doubles.drchrono import CLIENT_ID, CLIENT_SECRET, DrChronoDouble
from .doubles.openemr import OpenEmrDouble

FORGED = "kestrel-forged-state-0123456789"


@pytest.fixture
def double() -> Iterator[DrChronoDouble]:
    with DrChronoDouble() as started:
        yield started


class Practice:
    """A practice's side: settings, secrets that are kept, and what was printed."""

    def __init__(self, double: DrChronoDouble, folder: Path, **settings: Any) -> None:
        self.double = double
        self.kept: dict[str, str] = {"client_secret": CLIENT_SECRET}
        self.printed: list[str] = []
        given = {"base_url": double.origin, "client_id": CLIENT_ID, "client_secret": "file:x", **settings}
        self.context = AdapterContext(
            practice="kestrel-practice",
            settings=DrChronoSettings().load(given),
            secret=self.kept.__getitem__,
            warn=self.printed.append,
            now=double.clock.now,
            sleep=double.clock.sleep,
            user_agent="Handrail/test",
            keep=self.kept.__setitem__,
            folder=folder,
        )

    def sign_in(self, opens: Callable[[str], bool] | None = None) -> None:
        """As `connect` does it, with a browser that follows redirects."""
        with Loopback(opens=opens or visits, tells=self.printed.append, seconds=5) as browser:
            assert SPEC.login is not None
            SPEC.login(self.context, browser)


def visits(url: str) -> bool:
    """A browser: it asks for the page, in its own time."""
    threading.Thread(target=get, args=(url,), daemon=True).start()
    return True


def get(url: str, host: str | None = None) -> tuple[int, str]:
    """Status and page of an address."""
    headers = {"Host": host} if host else {}
    try:
        with urlopen(Asked(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def no_address(url: str) -> int:
    """Status of a request for what is no address at all."""
    host = urlsplit(url).netloc
    connection = HTTPConnection(host, timeout=5)
    with closing(connection):
        connection.request("GET", "http://[", headers={"Host": host})
        return connection.getresponse().status


@pytest.fixture
def practice(double: DrChronoDouble, tmp_path: Path) -> Practice:
    return Practice(double, tmp_path)


def test_a_person_signs_in_once_and_runs_go_on_by_themselves(practice: Practice) -> None:
    """Else somebody would have to sit there each hour."""
    practice.sign_in()
    adapter = SPEC.open(practice.context)
    assert adapter.test().title == "DrChrono"
    practice.double.clock.later(days=30)  # the access token has long ended
    assert SPEC.open(practice.context).test().title == "DrChrono"
    assert practice.double.oauth.calls == ["authorization_code", "refresh_token"]


def test_openemr_signs_a_person_in_too(tmp_path: Path) -> None:
    """The second platform with a person's sign-in, through the same code."""
    with OpenEmrDouble() as double:
        kept = {"client_secret": "kestrel-emr-secret"}
        references = {"client_secret": "file:x", "tokens": "file:y"}
        settings = OpenEmrSettings().load({**double.settings(), **references})
        context = AdapterContext(
            "p", settings, kept.__getitem__, print, double.clock.now, double.clock.sleep, "Handrail/test",
            keep=kept.__setitem__, folder=tmp_path,
        )  # fmt: skip
        assert OPENEMR.login is not None
        with Loopback(opens=visits, tells=lambda _: None, seconds=5) as browser:
            OPENEMR.login(context, browser)
        assert OPENEMR.open(context).test().title == "OpenEMR"
        assert double.oauth.scopes == [PERSON_SCOPES]  # S6


@pytest.mark.parametrize(
    ("given", "scopes"),
    [({}, SCOPES), ({"patient_flag_type": 7}, FLAG_SCOPES), ({"scopes": "user:read"}, "user:read")],
)
def test_s6_a_person_is_asked_for_the_documented_scopes(
    double: DrChronoDouble, tmp_path: Path, given: dict[str, Any], scopes: str
) -> None:
    """The right to write flags only where flags are written; what the page says is what the person is shown."""
    Practice(double, tmp_path, **given).sign_in()
    assert double.oauth.scopes == [scopes]


def test_the_person_who_says_no_reads_so(practice: Practice) -> None:
    """ "Error: access_denied" is no sentence for a practice manager."""
    practice.double.oauth.says = "access_denied"
    with pytest.raises(Denied, match="did not sign anybody in: the person said no there"):
        practice.sign_in()
    assert TOKENS not in practice.kept


def test_an_answer_with_another_state_is_not_taken(practice: Practice) -> None:
    """Somebody's page could slip the practice another account's code (RFC 6749, 10.12)."""
    seen: list[tuple[int, str]] = []

    def attacked(url: str) -> bool:
        back = practice.double.oauth.person(url)
        forged = back.partition("state=")[0] + f"state={FORGED}"
        seen.append(get(forged))
        seen.append(get(back))
        return True

    practice.sign_in(attacked)
    assert [status for status, _ in seen] == [400, 200]
    assert "Nothing was taken" in seen[0][1]
    assert "You can close this window" in seen[1][1]
    assert TOKENS in practice.kept


def test_a_browser_that_brings_another_state_is_refused(practice: Practice) -> None:
    """The adapter itself looks, whatever browser a host gives it."""

    class Careless:
        returns_to = "http://127.0.0.1:9/handrail"

        def visit(self, url: str) -> Mapping[str, str]:
            assert url.startswith(practice.double.origin)
            return {"code": "kestrel-code-1", "state": FORGED}

    assert SPEC.login is not None
    with pytest.raises(Denied, match="does not belong to this sign-in"):
        SPEC.login(practice.context, Careless())
    assert practice.double.oauth.calls == []


def test_a_code_that_came_too_late_is_said_plainly(practice: Practice) -> None:
    """The person had lunch between the two pages."""

    def slow(url: str) -> bool:
        back = practice.double.oauth.person(url)
        practice.double.clock.later(minutes=5)
        return get(back)[0] == 200

    with pytest.raises(Denied, match="it took too long"):
        practice.sign_in(slow)


def test_a_sign_in_without_a_lasting_token_is_refused(practice: Practice) -> None:
    """It would work for an hour, and fail in the night."""
    practice.double.oauth.offline = False
    with pytest.raises(Denied, match="gave no refresh token"):
        practice.sign_in()
    assert TOKENS not in practice.kept


def test_f43_a_refresh_token_is_kept_as_soon_as_it_is_rotated(practice: Practice) -> None:
    """The old one is burnt: lost between two lines of ours, the practice would be locked out."""
    practice.sign_in()
    before = json.loads(practice.kept[TOKENS])["refresh"]
    practice.double.oauth.expire()
    SPEC.open(practice.context).test()
    after = json.loads(practice.kept[TOKENS])["refresh"]
    assert before in practice.double.oauth.burnt
    assert before != after
    assert after in practice.double.oauth.refresh


def test_f43_what_a_renewal_brought_is_kept_before_it_is_used(practice: Practice) -> None:
    """A stop during the request that follows must find the new tokens: the old refresh token is burnt by then."""
    practice.sign_in()
    practice.double.oauth.expire()
    held: list[bool] = []

    def looks(request: Request, work: Callable[[], Reply]) -> Reply:
        reply = work()
        if request.path == "/api/users/current" and reply.status == 200:
            used = request.headers["authorization"].removeprefix("Bearer ")
            held.append(json.loads(practice.kept[TOKENS])["access"] == used)
        return reply

    practice.double.plant(looks, on="any", times=10)
    SPEC.open(practice.context).test()
    assert held == [True]


def test_f43_killed_between_the_renewal_and_keeping_it_a_person_signs_in_again(practice: Practice) -> None:
    """No program can have it back; what it can do is stop cleanly, say so, and go on after the sign-in."""
    practice.sign_in()
    practice.double.oauth.expire()
    before = practice.kept[TOKENS]

    def killed(name: str, value: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SPEC.open(replace(practice.context, keep=killed)).test()
    assert practice.kept[TOKENS] == before
    with pytest.raises(Denied, match=r"has to sign in again: handrail connect drchrono --login"):
        SPEC.open(practice.context).test()
    practice.sign_in()
    SPEC.open(practice.context).test()


def test_s14_tokens_in_a_file_are_replaced_whole_or_not_at_all(
    practice: Practice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a token in the file, or an empty one, would be a sign-in lost; and nobody else may read it."""
    place = tmp_path / "private" / "tokens"
    context = replace(
        practice.context,
        keep=lambda name, value: keys.write(f"file:{place}", value),
        secret=lambda name: keys.read(f"file:{place}").reveal() if name == TOKENS else practice.kept[name],
    )
    practice.context = context
    practice.sign_in()
    first = place.read_text()
    if os.name != "nt":
        assert place.stat().st_mode & 0o077 == 0
    practice.double.oauth.expire()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _stopped)
        with pytest.raises(KeyboardInterrupt):
            SPEC.open(context).test()
    assert place.read_text() == first
    practice.sign_in()
    assert json.loads(place.read_text())["refresh"] in practice.double.oauth.refresh


def _stopped(self: Path, target: Path, moves: Callable[[Path, Path], Path] = Path.replace) -> Path:
    """The program ends just before the new tokens are in their place."""
    if target.name == "tokens":
        raise KeyboardInterrupt
    return moves(self, target)


def test_a_folder_that_cannot_be_written_is_said_and_burns_no_token(practice: Practice, tmp_path: Path) -> None:
    """Renewed by two runs at once the sign-in would be over; and a full disk is no reason for a traceback."""
    practice.sign_in()
    practice.double.oauth.expire()
    before = practice.kept[TOKENS]
    (tmp_path / "no-folder").write_text("")
    adapter = SPEC.open(replace(practice.context, folder=tmp_path / "no-folder" / "below"))
    with pytest.raises(Unreachable, match="cannot be written"):
        adapter.test()
    assert practice.kept[TOKENS] == before


@pytest.mark.parametrize("error", [SettingsError, KeyProblem])
def test_where_nobody_has_signed_in_it_says_so(practice: Practice, error: type[Exception]) -> None:
    """To put it back from a copy would not help: a refresh token from a copy has been used."""

    def read(name: str) -> str:
        if name == TOKENS:
            raise error("The secret file cannot be read. Put it back from your copy.")
        return practice.kept[name]

    adapter = SPEC.open(replace(practice.context, secret=read))
    with pytest.raises(Denied, match="handrail connect drchrono --login"):
        adapter.test()


def test_a_revoked_sign_in_ends_in_one_clear_sentence(practice: Practice) -> None:
    """And in one request: trying again and again would look like an attack."""
    practice.sign_in()
    practice.double.oauth.revoke()
    practice.double.oauth.calls.clear()
    with pytest.raises(Denied, match=r"has to sign in again: handrail connect drchrono --login"):
        SPEC.open(practice.context).test()
    assert practice.double.oauth.calls == ["refresh_token"]


def test_a_refresh_token_put_there_by_hand_works(practice: Practice) -> None:
    """A host may have signed the person in elsewhere."""
    practice.kept[TOKENS] = practice.double.oauth.first()[1] + "\n"
    assert SPEC.open(practice.context).test().title == "DrChrono"


WORKER = """
import sys, time
from pathlib import Path
from handrail.adapters.drchrono.settings import DrChronoSettings
from handrail.adapters.drchrono.spec import SPEC
from handrail.plugin_core.contracts import AdapterContext
from handrail.plugin_core.contracts.connecting import _no_place
origin, client, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
def keep(name, value):
    fresh = folder / f"{name}.new.{sys.argv[4]}"
    fresh.write_text(value)
    time.sleep(0.2)  # the other process is certain to come in between
    fresh.replace(folder / name)
given = {"base_url": origin, "client_id": client, "client_secret": "file:x"}
context = AdapterContext("p", DrChronoSettings().load(given), lambda name: (folder / name).read_text(), print,
    time.time, time.sleep, "Handrail/test", keep=keep, folder=folder)
SPEC.open(context).test()
"""


def test_two_processes_do_not_burn_one_refresh_token(double: DrChronoDouble, tmp_path: Path) -> None:
    """The scheduled run and somebody's `handrail sync` begin in one second: the second use would end everything."""
    (tmp_path / "client_secret").write_text(CLIENT_SECRET)
    (tmp_path / TOKENS).write_text(
        json.dumps({"refresh": double.oauth.first()[1], "access": "kestrel-old", "until": 1})
    )
    command = [sys.executable, "-c", WORKER, double.origin, CLIENT_ID, str(tmp_path)]
    running = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE) for number in range(3)]
    failed = [process.communicate(timeout=60)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], failed
    assert double.oauth.calls == ["refresh_token"]


def test_the_sign_in_goes_to_no_other_host_without_a_yes(double: DrChronoDouble, tmp_path: Path) -> None:
    """The secret would go with it."""
    with DrChronoDouble() as other:
        for allowed, refused in ((), True), ((other.origin.removeprefix("http://"),), False):
            practice = Practice(double, tmp_path, token_host_allowed=list(allowed))
            app = replace(application(practice.context), token_url=f"{other.origin}/o/token/")
            base, transport = base_at(double.origin, practice.context.settings), transport_of(practice.context)
            # The other server never gave that code: that it is asked at all is what counts.
            expected = pytest.raises(UnsafeLink if refused else Denied)
            with Loopback(opens=visits, tells=practice.printed.append, seconds=5) as browser, expected:
                sign_in(practice.context, browser, base, transport, app)
            assert bool(other.oauth.calls) is not refused


def test_nobody_comes_back(practice: Practice) -> None:
    """A run must not wait for ever for a browser that was closed."""
    waiting = Loopback(opens=lambda _: False, tells=practice.printed.append, seconds=0.05)
    with waiting as browser, pytest.raises(Unreachable, match="Nobody came back"):
        browser.visit(f"{practice.double.origin}/o/authorize/?state=abc")
    assert any(practice.double.origin in line for line in practice.printed), "the address was not printed"


def test_the_port_answers_to_its_own_name_and_path_only() -> None:
    """Another page of the person's browser could else reach it under a name of its own (DNS rebinding)."""
    seen: list[int] = []

    def opens(url: str) -> bool:
        state = url.rpartition("=")[2]
        place = browser.returns_to
        seen.append(get(f"{place}?state={state}&code=1", host="evil.example")[0])
        seen.append(get(place.removesuffix("/handrail") + f"/?state={state}&code=1")[0])
        seen.append(no_address(place))
        seen.append(get(f"{place}?state={state}&code=2")[0])
        seen.append(get(f"{place}?state={state}&code=3")[0])
        return True

    with Loopback(opens=opens, tells=lambda _: None, seconds=5) as browser:
        assert browser.visit("https://platform.example/?state=abcdef")["code"] == "2"
    assert seen == [404, 404, 404, 200, 400]


def test_a_port_in_use_is_said_with_the_setting() -> None:
    """The platform has that very address registered, so that another port would not do."""
    with Loopback() as taken, pytest.raises(UsageError, match="redirect_port"):
        Loopback(int(taken.returns_to.rpartition(":")[2].removesuffix("/handrail")))


def test_no_code_and_no_token_is_logged_or_printed(practice: Practice, caplog: pytest.LogCaptureFixture) -> None:
    """Logs are mailed around (S23)."""
    caplog.set_level(logging.DEBUG)
    practice.sign_in()
    practice.double.oauth.expire()
    SPEC.open(practice.context).test()
    told = "\n".join([*practice.printed, caplog.text])
    for word in ("kestrel-code", "kestrel-access", "kestrel-refresh", CLIENT_SECRET):
        assert word not in told


# --- handrail connect -------------------------------------------------------------------------------------------------


class Console:
    """Runs commands as the console does."""

    def __init__(self, caught: pytest.CaptureFixture[str]) -> None:
        self._caught = caught

    def __call__(self, *words: str) -> tuple[int, str]:
        """Exit status, and all that was printed."""
        status = command(list(words))
        said = self._caught.readouterr()
        return status, said.out + said.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Console) -> Path:
    """A practice that has run `handrail init`."""
    monkeypatch.setenv("HANDRAIL_SETTINGS", str(tmp_path / "handrail.toml"))
    monkeypatch.setenv("HANDRAIL_STATE", str(tmp_path / "state"))
    assert run("init", "--key-file")[0] == 0
    secret = tmp_path / "secret"
    secret.write_text(CLIENT_SECRET)
    secret.chmod(0o600)
    return tmp_path


def test_connect_signs_in_where_it_is_needed_and_only_then(
    double: DrChronoDouble, begun: Path, run: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person signs in once; without a terminal nobody is there to do so, and that is said."""
    words = (
        "connect", "drchrono", "--set", f"base_url={double.origin}", "--set", f"client_id={CLIENT_ID}",
        "--set", "redirect_port=0", "--secret", f"client_secret=file:{begun / 'secret'}",
    )  # fmt: skip
    status, said = run(*words)
    assert status == 2
    assert "handrail connect drchrono --login" in said
    monkeypatch.setattr("webbrowser.open", visits)
    status, said = run(*words, "--login")
    assert status == 0, said
    assert "kestrel-code" not in said
    kept = begun / "drchrono-tokens.secret"
    assert kept.stat().st_mode & 0o077 == 0
    assert double.oauth.calls == ["authorization_code"]
    assert run(*words)[0] == 0
    assert double.oauth.calls == ["authorization_code"], "connected again, it asked for a sign-in"
    assert "kestrel-refresh" not in (begun / "handrail.toml").read_text()


@pytest.mark.usefixtures("begun")
def test_a_secret_that_is_missing_is_named_with_where_to_find_it(run: Console) -> None:
    """Without a terminal nobody asks for it: "missing data for required field" is no help to a practice manager."""
    status, said = run("connect", "cliniko", "--set", "contact_email=a@b.example")
    assert status == 2
    assert "My Info > Manage API keys" in said
    assert "--secret api_key=file:PATH" in said


@pytest.mark.usefixtures("begun")
def test_connect_refuses_a_sign_in_that_a_platform_does_not_have(run: Console) -> None:
    """A flag that does nothing would be believed to have done something."""
    status, said = run("connect", "fhir", "--set", "base_url=http://127.0.0.1:9/fhir", "--login")
    assert status == 2
    assert "needs no person's sign-in" in said


def test_tokens_cannot_be_kept_where_there_is_no_place(practice: Practice) -> None:
    """A rotated token that is thrown away locks the practice out: refused before anything is asked."""
    practice.context = replace(practice.context, keep=_no_place)
    with pytest.raises(SettingsError, match="no place"):
        practice.sign_in()
