"""The walk of the README, by the real commands, against real FHIR servers that nobody here wrote.

init, connect, publish, clients answer, sync, flags, read back, sync again, retract: the same on each server. What would
hurt: a practice follows the README and it does not work on its server, or a flag is there twice, or stays after the
answer behind it was taken back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import requests

FLAG_KEYS = "https://handrail.example/fhir/id/flag"
FORM = "https://handrail.example/fhir/Questionnaire/gr18"
SYSTEM = "https://handrail.example/fhir/CodeSystem/gr18"
RELIANT = {"W1": 4, "W2": 4, "W3": 0, "W4": 0, "W5": 4, "N1": 4}
EVEN = {"W1": 1, "W2": 1, "W3": 3, "W4": 3, "W5": 1, "N1": 1}
GROWTH = ("G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10")
SCALES = {"N1": "need", "F1": "extent", "F2": "extent"}


@dataclass
class Practice:
    """A practice of the test: its folder, its server, and how the test itself writes to that server."""

    folder: Path
    base: str
    options: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    http: requests.Session = field(default_factory=requests.Session)

    def handrail(self, *words: str, status: int = 0) -> str:
        """Runs the real command in a process of its own."""
        command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(self.folder / "handrail.toml")]
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def put(self, resource: dict[str, Any]) -> None:
        """Writes a resource under the id that it names, as the platform's own clients would. Not by requests: it logs
        each address, and a client's id must be in no log (S23)."""
        url = f"{self.base}/{resource['resourceType']}/{resource['id']}"
        headers = self.headers | {"Content-Type": "application/fhir+json"}
        with urlopen(Request(url, json.dumps(resource).encode(), headers, method="PUT"), timeout=60) as answer:
            assert answer.status in (200, 201)

    def read(self, path: str) -> dict[str, Any]:
        """Reads back over plain HTTP."""
        answer = self.http.get(f"{self.base}/{path}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def flags(self) -> list[dict[str, Any]]:
        """The Flag resources on the server that carry a key of ours."""
        bundle = self.read("Flag?_count=200")
        found = [e["resource"] for e in bundle.get("entry", []) if e["resource"]["resourceType"] == "Flag"]
        return [f for f in found if any(i.get("system") == FLAG_KEYS for i in f.get("identifier", []))]


def answered(number: int, warning: dict[str, int], weeks_ago: int) -> dict[str, Any]:
    """A filled-in gr18 as a renderer would send it: no weights, no version of ours beyond the canonical."""
    values = warning | {"F1": 2, "F2": 2} | {line: 1 + index % 3 for index, line in enumerate(GROWTH)}
    authored = (datetime.now(UTC) - timedelta(weeks=weeks_ago)).isoformat(timespec="seconds")
    return {
        "resourceType": "QuestionnaireResponse",
        "id": f"walk-{number}",
        "status": "completed",
        "questionnaire": f"{FORM}|1",
        "subject": {"reference": "Patient/walk-client"},
        "authored": authored,
        "item": [
            {
                "linkId": line,
                "answer": [{"valueCoding": {"system": SYSTEM, "code": f"{SCALES.get(line, 'truth')}-{value}"}}],
            }
            for line, value in values.items()
        ],
    }


COURSE = [(EVEN, 20), (EVEN, 16), (EVEN, 12), (EVEN, 8), (RELIANT, 4), (RELIANT, 0)]


def walk(practice: Practice) -> None:
    """The README's walk, with what must be true after each step."""
    practice.handrail("init", "--key-file", "--time-zone", "UTC")
    practice.handrail("connect", "fhir", *practice.options, "--push", "--carrier", "flag")
    practice.handrail("publish", "gr18")
    assert "unchanged" in practice.handrail("publish", "gr18"), "publishing twice must change nothing"
    practice.put({"resourceType": "Patient", "id": "walk-client", "active": True})
    for number, (warning, weeks_ago) in enumerate(COURSE):
        practice.put(answered(number, warning, weeks_ago))

    first = json.loads(practice.handrail("sync", "--yes", "--json"))
    assert first["outcome"] == "complete"
    assert first["counts"]["new"] == len(COURSE)
    rows = json.loads(practice.handrail("flags", "--json"))["flags"]
    assert [row["rule"] for row in rows] == ["R1"]
    on_server = practice.flags()
    assert [flag["status"] for flag in on_server] == ["active"]
    assert on_server[0]["subject"]["reference"].endswith("Patient/walk-client")
    assert "Handrail" in json.dumps(on_server[0]["code"])

    again = json.loads(practice.handrail("sync", "--json"))
    assert not {"new", "replaced", "raised", "pushed"} & again["counts"].keys()
    assert len(practice.flags()) == 1, "a second sync must push nothing"

    for number in (4, 5):
        practice.put(answered(number, *COURSE[number]) | {"status": "entered-in-error"})
    last = json.loads(practice.handrail("sync", "--json"))
    assert last["counts"]["retracted"] == 1
    assert [flag["status"] for flag in practice.flags()] == ["entered-in-error"]
    assert json.loads(practice.handrail("flags", "--json"))["flags"] == []
    assert "All is well" in practice.handrail("doctor")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the practice's own."""
    return tmp_path / "practice"


def test_walk_on_stock_sekmet(folder: Path, start_peer: Any) -> None:
    """A server that ignores filters and answers with everybody's forms."""
    from tests.peers.servers import Sekmet

    server = start_peer(Sekmet())
    walk(Practice(folder, server.base, ["--set", f"base_url={server.base}"]))


def test_walk_on_sekmet_with_search(folder: Path, start_peer: Any) -> None:
    """The same server with the search parameters of the standard."""
    from tests.peers.servers import Sekmet

    server = start_peer(Sekmet(search=True))
    walk(Practice(folder, server.base, ["--set", f"base_url={server.base}"]))


def test_walk_on_medplum(folder: Path, start_peer: Any) -> None:
    """Medplum's router: versions without order, filters that find nothing where others find all."""
    from tests.peers.servers import Medplum

    server = start_peer(Medplum())
    walk(Practice(folder, server.base, ["--set", f"base_url={server.base}"]))


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_walk_with_smart_sign_in(folder: Path, start_peer: Any, algorithm: str) -> None:
    """SMART Backend Services with tokens that live five seconds: expiry in the middle is the normal path (F41)."""
    from tests.peers.servers import Sekmet

    server = start_peer(Sekmet(smart=(algorithm,), token_lifetime=5))
    client = server.clients[algorithm]
    options = [
        *("--set", f"base_url={server.base}", "--set", "auth=smart", "--set", f"client_id={client.client_id}"),
        *("--set", f"scopes={client.scopes}", "--secret", f"private_key=file:{client.private_key}"),
    ]
    walk(SignedIn(folder, server.base, options, server=server, algorithm=algorithm))


@dataclass
class SignedIn(Practice):
    """The test's own writes also need a token; it asks for a fresh one each time, as another system would."""

    server: Any = None
    algorithm: str = ""

    def put(self, resource: dict[str, Any]) -> None:
        self.headers = {"Authorization": f"Bearer {self._token()}"}
        super().put(resource)

    def read(self, path: str) -> dict[str, Any]:
        self.headers = {"Authorization": f"Bearer {self._token()}"}
        return super().read(path)

    def _token(self) -> str:
        import uuid

        from joserfc import jwt
        from joserfc.jwk import ECKey, RSAKey

        client = self.server.clients[self.algorithm]
        kind = RSAKey if self.algorithm.startswith("RS") else ECKey
        key = kind.import_key(Path(client.private_key).read_text())
        now = int(datetime.now(UTC).timestamp())
        who = {"iss": client.client_id, "sub": client.client_id, "aud": self.server.token_url}
        claims = who | {"iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
        signed = jwt.encode({"alg": self.algorithm, "typ": "JWT"}, claims, key, algorithms=[self.algorithm])
        answer = self.http.post(
            self.server.token_url,
            data={
                "grant_type": "client_credentials",
                "scope": client.scopes,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": signed,
            },
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])
