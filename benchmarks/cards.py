"""A record system that asks the desk for cards (CDS Hooks), as `desk.py` measures it: sixteen charts a second or so."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

ISSUER = "https://ehr.example"
SERVICE = "/cds-services/handrail"
KEY = ECKey.generate_key("P-384", {"kid": "bench"})


def settings(file: Path) -> dict[str, Any]:
    """What the settings say of the record system; its public key is written beside them."""
    (file.parent / "bench-ehr.json").write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    return {"web.record_systems": [{"name": "bench", "issuer": ISSUER, "keys": "file:bench-ehr.json"}]}


class Chart(threading.Thread):
    """One person who opens charts, a second or so apart."""

    def __init__(self, port: int, patients: Sequence[str], seconds: float, number: int) -> None:
        super().__init__(daemon=True)
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.seconds, self.number = seconds, number
        self.rng = random.Random(number)
        self.patients = patients
        self.took: list[float] = []
        self.cards = 0
        # Signed before the clock runs: that is the record system's work, on its own machine.
        self.tokens = [self._token(f"http://127.0.0.1:{port}{SERVICE}", each) for each in range(int(seconds * 2) + 2)]

    def _token(self, audience: str, each: int) -> str:
        now = int(time.time())
        said = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + 300, "jti": f"{self.number}-{each}"}
        return jwt.encode({"alg": "ES384", "kid": "bench"}, said, KEY, algorithms=["ES384"])

    def run(self) -> None:
        """Until the time is over."""
        time.sleep(self.rng.random())
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until and self.tokens:
            context = {"patientId": self.rng.choice(self.patients), "userId": f"Practitioner/{self.number}"}
            body = json.dumps({"hook": "patient-view", "hookInstance": "bench", "context": context})
            head = {"Authorization": f"Bearer {self.tokens.pop()}", "Content-Type": "application/json"}
            began = time.perf_counter()
            self.line.request("POST", SERVICE, body, head)
            answer = self.line.getresponse()
            read = answer.read()
            self.took.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"a card was answered with {answer.status}: {read[:200]!r}")
            self.cards += len(json.loads(read)["cards"])
            time.sleep(0.5 + self.rng.random())
