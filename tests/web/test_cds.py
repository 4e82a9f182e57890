"""CDS Hooks: cards that any record system can show, for those alone who may ask, and nothing told to anybody else."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from handrail.plugin_core.report.phrases import seen
from handrail.plugin_core.settings_web import RecordSystem
from handrail.plugin_core.store import book
from handrail.plugin_core.web.tokens import LIFE, Tokens
from handrail.schemas.vocab import FlagState
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from werkzeug.test import TestResponse

from .people import House, json_of

SERVICE = "/cds-services/handrail"
ISSUER = "https://ehr.example"
ORIGIN = "https://charts.ehr.example"
ADDRESS = "https://desk.practice.example"
SCHEMA = json.loads((Path(__file__).parent / "cds_schema.json").read_text())
EC = ECKey.generate_key("P-384", {"kid": "ours"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ours"})


class Ehr:
    """A record system that asks the desk of a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = house.app.test_client()
        self.number = 0

    def token(self, path: str = SERVICE, key: Any = EC, alg: str = "ES384", **claims: Any) -> str:
        """A signed token for that address; claims that are None are left out."""
        self.number += 1
        now = int(time.time())
        said = {"iss": ISSUER, "aud": ADDRESS + path, "iat": now, "exp": now + 300, "jti": f"call-{self.number}"}
        said = {name: value for name, value in (said | claims).items() if value is not None}
        return jwt.encode({"alg": alg, "kid": key.kid or "x"}, said, key, algorithms=[alg])

    def post(self, body: Any, path: str = SERVICE, token: str | None = "", **headers: str) -> TestResponse:
        """One call; a token of its own unless another one (or None) is given."""
        sent = {"Host": ADDRESS.partition("//")[2], **headers}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token(path)}"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data=data, headers=sent, content_type="application/json")

    def opened(self, patient: str, user: str = "Practitioner/therapist-1", **more: Any) -> TestResponse:
        """Somebody opens a chart."""
        context = {"patientId": patient, "userId": user}
        return self.post({"hook": "patient-view", "hookInstance": "i", "context": context, **more})


@pytest.fixture
def ehr(open_house: Callable[..., House]) -> Callable[..., Ehr]:
    """`ehr(reasons=True)`: a desk whose settings name one record system, and that system."""

    def make(**more: Any) -> Ehr:
        house = open_house(address=ADDRESS)
        folder = house.desk.settings.folder
        public = {"keys": [EC.as_dict(private=False), RSA.as_dict(private=False)]}
        (folder / "ehr.json").write_text(json.dumps(public))
        system = RecordSystem("ehr", ISSUER, "file:ehr.json", origins=(ORIGIN,), **more)
        web = replace(house.desk.settings.web, record_systems=(system,))
        house.desk.settings = replace(house.desk.settings, web=web)
        house.app.extensions["handrail-tokens"] = Tokens((system,), folder)
        house.account("administrator", login="boss")
        return Ehr(house)

    return make


def prompted(house: House, kind: str = "prompt") -> tuple[str, Any]:
    """(patient's id, row) of an open, shown flag of that kind."""

    def find(engine: Any) -> tuple[str, Any]:
        row = next(r for r in engine.flags() if r.kind == kind and r.flag.shown and r.flag.state is FlagState.RAISED)
        ref = engine.client(row.flag.client).ref
        return ref.rpartition("/")[2], row

    return house.ask(find)  # type: ignore[no-any-return]


def trail(house: House) -> list[tuple[str, str]]:
    """(who, what) of the audit trail's newest entries."""

    def read(engine: Any) -> list[tuple[str, str]]:
        with engine.store.reading() as tx:
            return [(one.actor, one.action) for one in book.trail(tx)][-5:]

    return house.ask(read)  # type: ignore[no-any-return]


def test_a_chart_with_a_prompt_gets_a_card_as_the_standard_has_it(ehr: Callable[..., Ehr]) -> None:
    """A card that is not as the standard says is dropped by the record system without a word."""
    one = ehr()
    patient, row = prompted(one.house)
    answer = one.opened(patient)
    assert answer.status_code == 200
    jsonschema.validate(answer.json, SCHEMA)
    (card,) = [card for card in json_of(answer)["cards"] if card["uuid"].replace("-", "") == row.flag.key]
    assert card["links"][0]["url"] == f"{ADDRESS}/client/{row.flag.client}"
    assert card["indicator"] == "info"
    (shown,) = {who for who, what in trail(one.house) if what == "card-shown"}
    assert re.fullmatch("record system ehr, person [0-9a-f]{10}", shown), "S52: whoever it was shown to"
    one.opened(patient, user="Practitioner/therapist-2")
    assert len({who for who, what in trail(one.house) if what == "card-shown"}) == 2


def test_another_projects_client_takes_every_card(ehr: Callable[..., Ehr], healthchain: Path) -> None:
    """A schema of our own proves only that we agree with ourselves: healthchain's models read the answers."""
    read = (
        "import sys; from healthchain.models.responses.cdsresponse import CDSResponse; "
        "print(len(CDSResponse.model_validate_json(sys.stdin.read()).cards))"
    )
    one = ehr(reasons=True)
    patients = one.house.ask(lambda e: sorted({e.client(r.flag.client).ref.rpartition("/")[2] for r in e.flags()}))
    shown = 0
    for patient in patients[:6]:
        answer = one.opened(patient)
        done = subprocess.run([healthchain, "-c", read], input=answer.text, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-800:]
        assert int(done.stdout) == len(json_of(answer)["cards"])
        shown += int(done.stdout)
    assert shown


def test_a_card_says_nothing_of_answers_unless_the_practice_said_so(ehr: Callable[..., Ehr]) -> None:
    """What a card says stands in a chart that others may open (clinical.md 5, design 6)."""
    one, other = ehr(), ehr(reasons=True)
    patient, row = prompted(one.house)
    reason = row.flag.evidence.reason
    assert reason not in one.opened(patient).text
    assert reason in json.dumps(other.opened(patient).json, ensure_ascii=False)


def test_a_safety_notice_comes_first_and_cannot_be_waved_away(ehr: Callable[..., Ehr]) -> None:
    """It is closed by a person with what was done, not by a click on a card (clinical.md 6)."""
    one = ehr()

    def safety(engine: Any) -> str:
        row = next(r for r in engine.flags() if r.kind == "safety")
        return str(engine.client(row.flag.client).ref).rpartition("/")[2]

    cards = json_of(one.opened(one.house.ask(safety)))["cards"]
    assert cards[0]["indicator"] == "warning"
    assert "suggestions" not in cards[0]
    assert "overrideReasons" not in cards[0]
    jsonschema.validate({"cards": cards}, SCHEMA)


@pytest.mark.parametrize("user", ["Patient/p1", "RelatedPerson/r1", "", "Practitioner/", "Device/1"])
def test_nobody_but_staff_gets_a_card(ehr: Callable[..., Ehr], user: str) -> None:
    """Patients open their charts too."""
    one = ehr()
    patient, _ = prompted(one.house)
    assert one.opened(patient, user).json == {"cards": []}


@pytest.mark.parametrize("patient", ["nobody", "../../etc/passwd", "a" * 500, "p 1"])
def test_an_unknown_patient_gets_no_card(ehr: Callable[..., Ehr], patient: str) -> None:
    """Most of a record system's patients are not in the practice's measurement."""
    assert ehr().opened(patient).json == {"cards": []}


def test_a_patient_of_another_server_is_another_person(ehr: Callable[..., Ehr]) -> None:
    """Ids are small numbers in many systems: a card in a stranger's chart would be about somebody else."""
    one = ehr(fhir=("https://fhir.ehr.example/r4",))
    patient, _ = prompted(one.house)
    assert json_of(one.opened(patient, fhirServer="https://fhir.ehr.example/r4/"))["cards"]
    refused = one.opened(patient, fhirServer="https://elsewhere.example/r4")
    assert refused.status_code == 412
    assert "cards" not in json_of(refused)


def test_with_two_record_systems_the_server_must_be_named(ehr: Callable[..., Ehr]) -> None:
    """Each has patients of its own; the same id is two people."""
    one = ehr()
    patient, _ = prompted(one.house)
    web = one.house.desk.settings.web
    other = replace(web.record_systems[0], name="other", issuer="https://other.example")
    web = replace(web, record_systems=(*web.record_systems, other))
    one.house.desk.settings = replace(one.house.desk.settings, web=web)
    assert one.opened(patient).status_code == 412


def test_prefetch_may_be_missing(ehr: Callable[..., Ehr]) -> None:
    """The standard lets a record system leave it out."""
    one = ehr()
    patient, _ = prompted(one.house)
    assert json_of(one.opened(patient, prefetch=None))["cards"]
    assert json_of(one.opened(patient, prefetch={"patient": None}))["cards"]


TOKENS: dict[str, Callable[[Ehr], str | None]] = {
    "none": lambda _: None,
    "not one": lambda _: "abc.def.ghi",
    "huge": lambda _: "a" * 100_000,
    "another audience": lambda e: e.token(aud="https://elsewhere.example/cds-services/handrail"),
    "another service's audience": lambda e: e.token(aud=f"{ADDRESS}/cds-services/other"),
    "no audience": lambda e: e.token(aud=None),
    "an unknown issuer": lambda e: e.token(iss="https://evil.example"),
    "no issuer": lambda e: e.token(iss=None),
    "another's key": lambda e: e.token(key=STRANGER),
    "a symmetric key": lambda e: e.token(key=OctKey.import_key(b"x" * 32), alg="HS256"),
    "expired": lambda e: e.token(iat=int(time.time()) - 400, exp=int(time.time()) - 100),
    "from tomorrow": lambda e: e.token(iat=int(time.time()) + 86_400, exp=int(time.time()) + 86_500),
    "for a year": lambda e: e.token(exp=int(time.time()) + 31_536_000),
    "no end": lambda e: e.token(exp=None),
    "a text for a time": lambda e: e.token(exp="soon"),
    "no id": lambda e: e.token(jti=None),
    "older than this program": lambda e: e.token(iat=int(time.time() - LIFE) + 30, exp=int(time.time()) + 20),
    "unsigned": lambda e: unsigned(e),
}


def unsigned(ehr: Ehr) -> str:
    """A token with "alg": "none", as a forger makes it."""
    from base64 import urlsafe_b64encode

    _, body, _ = ehr.token().split(".")
    return urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode() + f".{body}."


@pytest.mark.parametrize("what", TOKENS)
def test_only_a_token_that_fits_counts(ehr: Callable[..., Ehr], what: str) -> None:
    """Whoever can ask learns who is a client of this practice and has a prompt."""
    one = ehr()
    patient, _ = prompted(one.house)
    body = {"hook": "patient-view", "context": {"patientId": patient, "userId": "Practitioner/1"}}
    answer = one.post(body, token=TOKENS[what](one))
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert "cards" not in json_of(answer)
    assert patient not in answer.text


def test_a_token_counts_once(ehr: Callable[..., Ehr]) -> None:
    """One that was overheard must not open the next chart."""
    one = ehr()
    token = one.token()
    body = {"hook": "patient-view", "context": {"patientId": "x", "userId": "Practitioner/1"}}
    assert [one.post(body, token=token).status_code for _ in range(2)] == [200, 401]


def test_both_kinds_of_key_are_taken(ehr: Callable[..., Ehr]) -> None:
    """Record systems sign with RS384 as often as with ES384."""
    one = ehr()
    body = {"hook": "patient-view", "context": {"patientId": "x", "userId": "Practitioner/1"}}
    assert one.post(body, token=one.token(key=RSA, alg="RS384")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b'{"context": 3}', 400), (b'{"hook": "order-sign"}', 400),
        (b'{"hook": "patient-view", "context": {"patientId": 7}}', 400), (b"[" * 100_000, 400), (b" " * 300_000, 413),
    ],
    ids=["empty", "list", "cut", "context", "another hook", "number", "deep", "huge"],
)  # fmt: skip
def test_a_body_that_is_none_gets_a_sentence(ehr: Callable[..., Ehr], body: bytes, status: int) -> None:
    """A record system's mistake must not look like ours."""
    assert ehr().post(body).status_code == status


def test_what_became_of_a_card_is_noted(ehr: Callable[..., Ehr]) -> None:
    """Seen in the chart is seen: the same prompt must not wait in Handrail as new."""
    one = ehr()
    patient, row = prompted(one.house)
    (card,) = [c for c in json_of(one.opened(patient))["cards"] if c["uuid"].replace("-", "") == row.flag.key]
    chosen = [{"id": card["suggestions"][0]["uuid"]}]
    told = {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": chosen}
    assert one.post({"feedback": [told]}, f"{SERVICE}/feedback").status_code == 200
    again = one.house.ask(lambda e: next(r for r in e.flags() if r.flag.key == row.flag.key))
    assert again.flag.state is FlagState.ACKNOWLEDGED
    assert again.acknowledgements[0].author == "record system ehr"
    assert "noted without your name" in card["detail"], "whoever presses it must know what is written down"
    said = "Seen by somebody in the record system ehr (it does not say who) on 4 May 2026"
    assert seen(again.acknowledgements[0]).startswith(said), "and whoever reads it, that a name is missing"
    assert card["uuid"] not in one.opened(patient).text, "it is not shown again"


def test_a_reason_is_a_look_and_no_reason_is_none(ehr: Callable[..., Ehr]) -> None:
    """A card that is closed unread must stay new."""
    one = ehr()
    patient, row = prompted(one.house)
    card = next(c for c in json_of(one.opened(patient))["cards"] if c["uuid"].replace("-", "") == row.flag.key)
    path = f"{SERVICE}/feedback"
    one.post({"feedback": [{"card": card["uuid"], "outcome": "overridden"}]}, path)
    state = one.house.ask(lambda e: next(r for r in e.flags() if r.flag.key == row.flag.key).flag.state)
    assert state is FlagState.RAISED
    reason = {"code": "discussed", "system": card["overrideReasons"][0]["system"]}
    told = {"card": card["uuid"], "outcome": "overridden", "overrideReason": {"reason": reason}}
    one.post({"feedback": [told]}, path)
    again = one.house.ask(lambda e: next(r for r in e.flags() if r.flag.key == row.flag.key))
    assert again.acknowledgements[0].note == "Already talked about with the client"


@pytest.mark.parametrize("told", [3, None, [3], [{"card": "x"}], [{"card": "0" * 32, "outcome": "accepted"}]])
def test_feedback_about_nothing_changes_nothing(ehr: Callable[..., Ehr], told: Any) -> None:
    """Feedback comes late, twice, and about cards of others."""
    one = ehr()
    before = one.house.ask(lambda e: [(r.flag.key, r.flag.state) for r in e.flags()])
    assert one.post({"feedback": told}, f"{SERVICE}/feedback").status_code in (200, 400)
    assert one.house.ask(lambda e: [(r.flag.key, r.flag.state) for r in e.flags()]) == before


def test_discovery_and_preflight(ehr: Callable[..., Ehr]) -> None:
    """A record system in a browser asks first; another page is told nothing."""
    one = ehr()
    headers = {"Host": ADDRESS.partition("//")[2], "Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    preflight = one.client.options(SERVICE, headers=headers)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
    stranger = one.client.options(SERVICE, headers=headers | {"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    (service,) = json_of(one.client.get("/cds-services", headers=headers))["services"]
    assert (service["id"], service["hook"]) == ("handrail", "patient-view")


def test_without_a_record_system_nothing_is_offered(house: House) -> None:
    """Off until the practice names one."""
    house.account("administrator", login="boss")
    client = house.app.test_client()
    assert client.get("/cds-services").json == {"services": []}
    assert client.post(SERVICE, json={}).status_code == 401
