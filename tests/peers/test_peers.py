"""What the real FHIR servers do, as far as our adapter relies on it or has to survive it.

Each fact has one look and the answer of each server; when a new version of a server answers differently, the adapter's
assumptions are to be read again.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from .plugin import SmartAccess
from .servers import Medplum, Postgres, Sekmet, SmartClient, make_smart_client

SYSTEM = "https://handrail.example/fhir/id/flag"
CARRIERS = {
    "Flag": {"status": "active", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}},
    "DetectedIssue": {"status": "final", "patient": {"reference": "Patient/p"}},
    "Task": {"status": "requested", "intent": "proposal", "for": {"reference": "Patient/p"}},
}
RELIED_ON = {"Patient", "Questionnaire", "QuestionnaireResponse", "Provenance", *CARRIERS}
Json = dict[str, Any]


@dataclass
class Fhir:
    """A plain client of one server, with no opinion about answers."""

    base: str
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> requests.Response:
        url = path if path.startswith("http") else f"{self.base}/{path}".rstrip("/")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        names["Content-Type"] = "application/fhir+json"
        return self.session.request(method, url, json=body, headers=names, timeout=30)

    def create(self, kind: str, **elements: Any) -> Json:
        response = self.call("POST", kind, {"resourceType": kind, **elements})
        assert response.status_code == 201, response.text
        return dict(response.json())

    def answer(self, patient: str = "p", **elements: Any) -> Json:
        """A completed form; the pause keeps two forms apart in `lastUpdated`, which has milliseconds."""
        time.sleep(0.003)
        subject = {"reference": f"Patient/{patient}"}
        return self.create("QuestionnaireResponse", **{"status": "completed", "subject": subject, **elements})

    def rows(self, path: str) -> list[Json]:
        """The entries of all pages, the server's remarks among them."""
        rows: list[Json] = []
        following: str | None = path
        while following:
            page = self.call("GET", following).json()
            rows += page.get("entry", [])
            following = next_link(page)
        return rows


def next_link(page: Json) -> str | None:
    return next((link["url"] for link in page.get("link", []) if link["relation"] == "next"), None)


def ids(rows: list[Json]) -> list[str]:
    return [row["resource"]["id"] for row in rows if row["resource"]["resourceType"] != "OperationOutcome"]


def remarks(rows: list[Json]) -> bool:
    return any(row.get("search", {}).get("mode") == "outcome" for row in rows)


def updated(resource: Json) -> str:
    return str(resource["meta"]["lastUpdated"])


def filter_by_patient(fhir: Fhir) -> object:
    mine, other = fhir.answer("one"), fhir.answer("two")
    rows = fhir.rows("QuestionnaireResponse?patient=Patient/one&_count=500")
    assert mine["id"] in ids(rows)
    return {"strangers": other["id"] in ids(rows), "remark": remarks(rows)}


def unknown_parameter(fhir: Fhir) -> object:
    fhir.answer()
    page = fhir.call("GET", "QuestionnaireResponse?nonsense=1")
    strict = fhir.call("GET", "QuestionnaireResponse?nonsense=1", Prefer="handling=strict")
    return page.status_code, bool(ids(page.json().get("entry", []))), strict.status_code


def changed_since(fhir: Fhir) -> object:
    made = [fhir.answer() for _ in range(3)]
    found = ids(fhir.rows(f"QuestionnaireResponse?_lastUpdated=ge{updated(made[1])}&_sort=_lastUpdated"))
    return found == [one["id"] for one in made[1:]]


def paging(fhir: Fhir) -> object:
    made = [fhir.answer() for _ in range(5)]
    first = f"QuestionnaireResponse?_lastUpdated=ge{updated(made[0])}&_sort=_lastUpdated&_count=2"
    following = next_link(fhir.call("GET", first).json()) or ""
    return following.startswith(fhir.base), ids(fhir.rows(first)) == [one["id"] for one in made]


def amended_while_paging(fhir: Fhir) -> object:
    """Offset paging: the amended row goes to the end, all others move up by one, and one of them is never shown."""
    made = [fhir.answer() for _ in range(4)]
    first = f"QuestionnaireResponse?_lastUpdated=ge{updated(made[0])}&_sort=_lastUpdated&_count=2"
    page = fhir.call("GET", first).json()
    fhir.call("PUT", f"QuestionnaireResponse/{made[0]['id']}", {**made[0], "status": "amended"}).raise_for_status()
    seen = set(ids(page["entry"]) + ids(fhir.rows(next_link(page) or "")))
    return [number for number, one in enumerate(made) if one["id"] not in seen]


def page_without_count(fhir: Fhir) -> object:
    start = updated(fhir.answer())
    for _ in range(21):
        fhir.answer()
    return len(ids(fhir.call("GET", f"QuestionnaireResponse?_lastUpdated=ge{start}").json()["entry"]))


def several_ids(fhir: Fhir) -> object:
    wanted = [fhir.answer()["id"] for _ in range(2)]
    return set(ids(fhir.rows(f"QuestionnaireResponse?_id={','.join(wanted)}"))) == set(wanted)


def conditional_create(fhir: Fhir) -> object:
    """Statuses of the first post, the same post again, and again when two match."""
    seen = {}
    for kind, elements in CARRIERS.items():
        value = str(uuid.uuid4())
        body = {"resourceType": kind, **elements, "identifier": [{"system": SYSTEM, "value": value}]}
        condition = f"identifier={SYSTEM}%7C{value}"
        statuses = [fhir.call("POST", kind, body, If_None_Exist=condition).status_code for _ in range(2)]
        fhir.call("POST", kind, body)
        seen[kind] = (*statuses, fhir.call("POST", kind, body, If_None_Exist=condition).status_code)
    return seen


def search_by_identifier(fhir: Fhir) -> object:
    """For which carriers a look before creating finds ours and nothing else."""
    good = set()
    for kind, elements in CARRIERS.items():
        mine, other = str(uuid.uuid4()), str(uuid.uuid4())
        made = fhir.create(kind, **elements, identifier=[{"system": SYSTEM, "value": mine}])
        fhir.create(kind, **elements, identifier=[{"system": SYSTEM, "value": other}])
        if ids(fhir.rows(f"{kind}?identifier={SYSTEM}%7C{mine}")) == [made["id"]]:
            good.add(kind)
    return good


def optimistic_lock(fhir: Fhir) -> object:
    flag = fhir.create("Flag", **CARRIERS["Flag"])
    path = f"Flag/{flag['id']}"
    tag = fhir.call("GET", path).headers["ETag"]
    return [fhir.call("PUT", path, {**flag, "status": "inactive"}, If_Match=tag).status_code for _ in range(2)]


def update_as_create(fhir: Fhir) -> object:
    name = f"handrail-{uuid.uuid4()}"
    return fhir.call("PUT", f"Flag/{name}", {"resourceType": "Flag", "id": name, **CARRIERS["Flag"]}).status_code


def deleted(fhir: Fhir) -> object:
    """Statuses of delete, read, delete again, and the history of what is gone."""
    path = f"QuestionnaireResponse/{fhir.answer()['id']}"
    calls = [("DELETE", path), ("GET", path), ("DELETE", path), ("GET", f"{path}/_history")]
    return [fhir.call(*call).status_code for call in calls]


def deletions_listed(fhir: Fhir) -> object:
    made = fhir.answer()
    fhir.call("DELETE", f"QuestionnaireResponse/{made['id']}")
    answer = fhir.call("GET", f"QuestionnaireResponse/_history?_since={updated(made)}")
    methods = [row["request"]["method"] for row in answer.json().get("entry", []) if made["id"] in row["fullUrl"]]
    return answer.status_code, methods


def versions(fhir: Fhir) -> object:
    made = fhir.answer()
    path = f"QuestionnaireResponse/{made['id']}"
    fhir.call("PUT", path, {**made, "status": "amended"})
    return [row["resource"]["status"] for row in fhir.rows(f"{path}/_history")]


def provenance(fhir: Fhir) -> object:
    flag, form = fhir.create("Flag", **CARRIERS["Flag"]), fhir.answer()
    source = {"role": "derivation", "what": {"reference": f"QuestionnaireResponse/{form['id']}"}}
    fhir.create(
        "Provenance",
        target=[{"reference": f"Flag/{flag['id']}"}],
        recorded="2026-11-20T09:12:01Z",
        agent=[{"who": {"display": "Handrail"}}],
        entity=[source],
    )
    found = [row["resource"]["entity"] for row in fhir.rows(f"Provenance?target=Flag/{flag['id']}")]
    return found == [[source]]


def listed_types(fhir: Fhir) -> object:
    resources = fhir.call("GET", "metadata").json()["rest"][0].get("resource", [])
    rows = {one["type"]: one for one in resources if one["type"] in RELIED_ON}
    for row in rows.values():
        assert {"read", "create", "update", "search-type"} <= {i["code"] for i in row["interaction"]}
        assert row["conditionalCreate"] is True
        assert row["updateCreate"] is True
    return set(rows)


def dates_without_offset(fhir: Fhir) -> object:
    body = {"resourceType": "QuestionnaireResponse", "status": "completed", "authored": "2026-03-01T10:00:00"}
    return fhir.call("POST", "QuestionnaireResponse", body).status_code


def own_id_in_create(fhir: Fhir) -> object:
    name = str(uuid.uuid4())
    return fhir.create("Patient", id=name)["id"] == name


def minimal_answer(fhir: Fhir) -> object:
    answer = fhir.call("POST", "Patient", {"resourceType": "Patient"}, Prefer="return=minimal")
    assert "/Patient/" in answer.headers["Location"]
    return answer.content == b""


def atomic_transaction(fhir: Fhir) -> object:
    value = str(uuid.uuid4())
    good = {"resourceType": "Flag", **CARRIERS["Flag"], "identifier": [{"system": SYSTEM, "value": value}]}
    bad = {"resourceType": "Flag", "status": "wrong"}
    entries = [{"resource": one, "request": {"method": "POST", "url": "Flag"}} for one in (good, bad)]
    status = fhir.call("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).status_code
    return status, len(ids(fhir.rows(f"Flag?identifier={SYSTEM}%7C{value}")))


def unknown_type(fhir: Fhir) -> object:
    return fhir.call("GET", "Nonsense?_count=1").status_code


def smart_on_open_server(fhir: Fhir) -> object:
    return fhir.call("GET", ".well-known/smart-configuration").status_code


@dataclass(frozen=True)
class Fact:
    """One look and what each server shows; `hurts` says what goes wrong for a client that expects otherwise."""

    look: Callable[[Fhir], object]
    hurts: str
    stock: object
    search: object
    medplum: object


ALIKE = {"strangers": False, "remark": False}
SAFE = dict.fromkeys(CARRIERS, (201, 200, 412))
FACTS = [
    Fact(filter_by_patient, "clients would be mixed up", {"strangers": True, "remark": True}, ALIKE, ALIKE),
    Fact(unknown_parameter, "a filter would be trusted", (200, True, 400), (200, True, 400), (200, False, 200)),
    Fact(changed_since, "incremental sync would miss forms", True, True, True),
    Fact(paging, "forms after the first page would be missed", (True, True), (True, True), (True, True)),
    Fact(amended_while_paging, "a form would be lost for good, the cursor being past it", [2], [2], [2]),
    Fact(page_without_count, "a page could be of any size", 20, 20, 22),
    Fact(several_ids, "quarantined forms could not be pulled again", True, True, True),
    Fact(conditional_create, "a prompt would show twice", SAFE | {"DetectedIssue": (400,) * 3}, SAFE, SAFE),
    Fact(
        search_by_identifier,
        "a look before creating would find another client's prompt",
        set(CARRIERS) - {"DetectedIssue"},
        set(CARRIERS),
        set(CARRIERS),
    ),
    Fact(optimistic_lock, "a clinician's edit would be written over", [200, 412], [200, 412], [200, 412]),
    Fact(update_as_create, "a status other than 201 would be taken for a failure", 201, 201, 200),
    Fact(
        deleted,
        "a withdrawn form would be counted on",
        [200, 410, 200, 200],
        [200, 410, 200, 200],
        [200, 404, 404, 404],
    ),
    Fact(
        deletions_listed, "deletions would go unseen", (200, ["DELETE", "POST"]), (200, ["DELETE", "POST"]), (404, [])
    ),
    Fact(versions, "the history of an amended form would be read backwards", *[["amended", "completed"]] * 3),
    Fact(provenance, "a prompt could not be followed back to its forms", True, True, True),
    Fact(
        listed_types,
        "a type that works would be given up because it is not listed",
        RELIED_ON - {"Questionnaire", "QuestionnaireResponse", "DetectedIssue"},
        RELIED_ON,
        set(),
    ),
    Fact(dates_without_offset, "forms would be put in the wrong order", 400, 400, 201),
    Fact(own_id_in_create, "a second create with the same id would fail", False, False, True),
    Fact(minimal_answer, "the remote id would be looked for in an empty body", True, True, False),
    Fact(atomic_transaction, "half a push would be taken for none", (400, 0), (400, 0), (200, 1)),
    Fact(unknown_type, "a wrong address would look like an empty practice", 404, 404, 200),
    Fact(smart_on_open_server, "a token would be asked for where none is wanted", 200, 200, 404),
]
SERVERS = {"stock": "sekmet", "search": "sekmet_search", "medplum": "medplum"}


@pytest.fixture(
    params=[pytest.param(kind, marks=pytest.mark.peer(SERVERS[kind].split("_")[0])) for kind in SERVERS], scope="module"
)
def seen(request: pytest.FixtureRequest) -> tuple[str, Fhir]:
    """Each server in turn, with the name of its column in the table."""
    server: Sekmet | Medplum = request.getfixturevalue(SERVERS[request.param])
    return request.param, Fhir(server.base)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.look.__name__)
def test_server_does_what_the_adapter_was_written_for(seen: tuple[str, Fhir], fact: Fact) -> None:
    """If a server answered otherwise, the fact's `hurts` would come true without any error."""
    kind, fhir = seen
    assert fact.look(fhir) == getattr(fact, kind), f"otherwise {fact.hurts}"


# -- SMART Backend Services ------------------------------------------------------------------------------------------


@pytest.fixture(params=["rs384", "es384"])
def smart(request: pytest.FixtureRequest, sekmet_smart: Sekmet) -> SmartAccess:
    """The SMART server with each of the two clients."""
    access: SmartAccess = request.getfixturevalue(f"sekmet_smart_{request.param}")
    return access


def assertion(smart: SmartAccess, client: SmartClient | None = None, **changes: object) -> str:
    client = client or smart.client
    now = int(time.time())
    claims: Json = {"iss": client.client_id, "sub": client.client_id, "aud": smart.token_url}
    claims |= {"iat": now, "exp": now + 240, "jti": str(uuid.uuid4())} | changes
    kind = RSAKey if client.alg == "RS384" else ECKey
    key = kind.import_key(client.private_key.read_text())
    return jwt.encode({"alg": client.alg, "kid": "k", "typ": "JWT"}, claims, key, algorithms=[client.alg])


def ask(smart: SmartAccess, signed: str, scope: str = "system/Flag.cruds") -> requests.Response:
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": kind,
        "client_assertion": signed,
        "scope": scope,
    }
    return requests.post(smart.token_url, data=form, timeout=30)


REFUSED: dict[str, Json] = {
    "aud of another server": {"aud": "https://elsewhere.example/token"},
    "expired": {"exp": 1_700_000_000},
    "exp too far ahead": {"exp": 4_000_000_000},
    "unknown client": {"iss": "somebody"},
    "sub is not iss": {"sub": "somebody"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_token_endpoint_refuses_an_assertion_that_is_not_right(smart: SmartAccess, changes: Json) -> None:
    """An endpoint that took anything would let a wrong assertion of ours pass in every test."""
    answer = ask(smart, assertion(smart, **changes))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_token_endpoint_takes_an_assertion_once(smart: SmartAccess) -> None:
    """A client that repeats the same assertion after a lost answer would be locked out."""
    signed = assertion(smart)
    assert [ask(smart, signed).status_code for _ in range(2)] == [200, 401]


def test_token_endpoint_refuses_another_key(smart: SmartAccess, tmp_path: Any) -> None:
    """Else nothing would prove that our signature is really checked."""
    assert ask(smart, assertion(smart, make_smart_client(smart.client.alg, tmp_path))).status_code == 401


def test_scopes_are_narrowed_and_kept_to(smart: SmartAccess) -> None:
    """A client that does not read what it was granted would meet the 403 in the middle of its work."""
    answer = ask(smart, assertion(smart), "system/Flag.rs system/Observation.rs").json()
    bearer = f"Bearer {answer['access_token']}"
    statuses = [Fhir(smart.base).call("GET", kind, Authorization=bearer).status_code for kind in ("Flag", "Task")]
    assert (answer["scope"], statuses) == ("system/Flag.rs", [200, 403])


def test_tokens_die_within_five_seconds(sekmet_smart_es384: SmartAccess) -> None:
    """The walk through a long page would end in 401 for a client that does not renew."""
    smart = sekmet_smart_es384
    answer = ask(smart, assertion(smart)).json()
    fhir, bearer = Fhir(smart.base), f"Bearer {answer['access_token']}"
    assert (answer["expires_in"], fhir.call("GET", "Flag", Authorization=bearer).status_code) == (5, 200)
    deadline = time.monotonic() + 8
    while (late := fhir.call("GET", "Flag", Authorization=bearer)).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (late.status_code, late.json()["issue"][0]["code"]) == (401, "expired")


# -- PostgreSQL -----------------------------------------------------------------------------------------------------


def test_each_postgres_database_is_new(postgres: Postgres) -> None:
    """Two tests in one database would see each other's clients."""
    from sqlalchemy import create_engine, text

    for url in (postgres.new_database(), postgres.new_database()):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE only_here (x int)"))
        engine.dispose()
