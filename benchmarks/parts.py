"""What the parts of a first sync cost that cannot be left out, each alone, beside the whole of the floor.

    python -m benchmarks.parts

One page of 500 forms as the benchmark's server sends it; of each part the best of many rounds, in microseconds of a
form, of the processor's time alone. A bound of what any arrangement of these parts can reach on one core: the network,
plugins, clients, the other rules and evidence come on top.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from handrail.adapters.fhir.decode import read_page
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping import FormReader, own_mapping
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.signal.constants import constants
from handrail.plugin_core.signal.model import follow, see
from handrail.plugin_core.signal.pages import lines_of, scale_of
from handrail.schemas.responses import ResponseSchema, judge

from . import baselines, floor_decode, practice

PAGE, CLIENTS, ROUNDS = 500, 50, 30
BASE = "http://127.0.0.1/fhir"
TABLE = (
    "CREATE TABLE r (source INTEGER, key TEXT, client TEXT, instrument TEXT, version TEXT, authored INTEGER, "
    "minutes INTEGER, updated INTEGER, remote TEXT, status TEXT, active BOOLEAN, content TEXT, scored_by TEXT, "
    "sealed BLOB, PRIMARY KEY (source, key))"
)
INDEX = "CREATE INDEX i ON r (source, client)"
FLOOR_TABLE = (
    "CREATE TABLE response (id TEXT PRIMARY KEY, client TEXT, version TEXT, updated TEXT, authored TEXT, answers BLOB, "
    "growth REAL, warning REAL)"
)


def best(work: Callable[[], Any]) -> float:
    """Microseconds of a form, of the processor's time, the best of many rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found) / PAGE * 1e6


def page() -> bytes:
    """A page: ten forms each of fifty clients, over a year."""
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    table = practice.line_table("lean")
    entries = [
        f'{{"fullUrl":"{BASE}/QuestionnaireResponse/qr{form.number}","resource":{practice.response_json(form, table)}}}'
        for form in practice.forms(PAGE, end)
    ]
    return f'{{"resourceType":"Bundle","type":"searchset","entry":[{",".join(entries)}]}}'.encode()


def upserts(folder: Path, name: str, tables: tuple[str, ...], sql: str, pages: list[list[tuple[Any, ...]]]) -> float:
    """Microseconds of a row with a transaction for each page, the better of three fills of a new file."""
    return min(_filled(folder / f"{name}-{turn}", tables, sql, pages) for turn in range(3))


def _filled(file: Path, tables: tuple[str, ...], sql: str, pages: list[list[tuple[Any, ...]]]) -> float:
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    for table in tables:
        database.execute(table)
    began = time.process_time()
    for rows in pages:
        database.execute("BEGIN IMMEDIATE")
        database.executemany(sql, rows)
        database.execute("COMMIT")
    taken = time.process_time() - began
    database.close()
    return taken / sum(map(len, pages)) * 1e6


def rows_of(number: int) -> list[tuple[Any, ...]]:
    """Rows as the store has them: keys are hashes, so that they tell nobody anything, and lie all over their index."""

    def key(text: str) -> str:
        return blake2b(text.encode(), digest_size=16).hexdigest()

    return [
        (1, key(f"f{n}"), key(f"c{n % 2000}"), "gr18", "1", n, 60, n, "1", "completed", 1, key(f"h{n}"), "a" * 12,
         os.urandom(430))
        for n in range(number * PAGE, (number + 1) * PAGE)
    ]  # fmt: skip


def model(answers: list[Any], instrument: Any) -> float:
    """What the model of R1 and N costs for the page's clients."""
    known = constants()
    scale = scale_of(instrument, known)
    assert scale is not None
    names = lines_of(instrument)
    raw = np.array([[float(one.get(name, np.nan)) for name in names] for one in answers])
    raw = raw.reshape(-1, CLIENTS, len(names)).transpose(1, 0, 2)
    weeks = np.tile(np.arange(raw.shape[1]) * 5.2, (CLIENTS, 1))
    return best(lambda: follow(weeks, see(raw, scale, known), known))


def measured(folder: Path) -> dict[str, float]:
    """The parts, by name."""
    data, instrument = page(), builtin_one("gr18")
    schema, scorer, cipher = ResponseSchema([instrument]), Scorer(instrument), AESGCM(os.urandom(32))
    reader = FormReader([own_mapping(instrument, "fhir")])
    remotes = read_page(data, BASE).responses
    flats = [flat for remote in remotes if isinstance(flat := reader.read(remote), dict)]
    loaded, _ = judge(schema, flats)
    encode, decode, key = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode, os.urandom(32)
    written = [encode(flat) for flat in flats]
    sealed = [(nonce := os.urandom(12)) + cipher.encrypt(nonce, one, b"place") for one in written]
    ours = [rows_of(number) for number in range(40)]
    names = ", ".join("?" * len(ours[0][0]))
    upsert = f"INSERT INTO r VALUES ({names}) ON CONFLICT (source, key) DO UPDATE SET sealed = excluded.sealed"
    return {
        "the page's JSON into flat forms": best(lambda: read_page(data, BASE)),
        "through the mapping": best(lambda: [reader.read(remote) for remote in remotes]),
        "written once, and its hash": best(lambda: [blake2b(encode(one), key=key).digest() for one in flats]),
        "marshmallow, at the boundary": best(lambda: judge(schema, flats)),
        "scores": best(lambda: [scorer.form(one) for one in loaded]),
        "sealed (AES-256-GCM)": best(lambda: [cipher.encrypt(os.urandom(12), one, b"place") for one in written]),
        "into SQLite, two indexes": upserts(folder, "ours", (TABLE, INDEX), upsert, ours),
        "opened and read again": best(lambda: [decode(cipher.decrypt(one[:12], one[12:], b"place")) for one in sealed]),
        "the model of R1 and N": model([one.answers for one in loaded], instrument),
    }


def floor(folder: Path) -> float:
    """The floor's own parts: decode, scores, one upsert."""
    data, scorer = page(), floor_decode.Scorer(baselines.SCORES)
    pages = [[(f"{row[0]}-{number}", *row[1:]) for row in scorer.page(data)[0]] for number in range(40)]
    return best(lambda: scorer.page(data)) + upserts(folder, "floor", (FLOOR_TABLE,), baselines.UPSERT, pages)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        parts, whole = measured(Path(name)), floor(Path(name))
    for what, cost in parts.items():
        print(f"{what:36}{cost:6.1f} µs")
    total = sum(parts.values())
    print(f"{'together':36}{total:6.1f} µs, on one core {1e6 / total:,.0f}/s at most")
    print(f"{'the floor, all of it but the network':36}{whole:6.1f} µs; 40 % of its speed are {whole / 0.4:.0f} µs")
    print(json.dumps({**{what: round(cost, 2) for what, cost in parts.items()}, "floor": round(whole, 2)}))


if __name__ == "__main__":
    main()
