"""The two pipelines that Handrail is measured against, over the same server:

textbook  what a developer writes from the tutorials: `fhirclient` models, SQLAlchemy ORM `Session.merge`
floor     as little as possible: msgspec reads the used fields only, plain `sqlite3` upserts, numpy scores a page

Both may be run again over the same database without doubling anything, both commit once a page, neither seals,
checks or explains anything.

    python -m benchmarks.baselines textbook --base URL --dir DIR [--limit 2000]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .measure import report

GROWTH = {"G1": 0, "G2": 1, "G3": 0, "G4": 0, "G5": 0, "G6": 1, "G7": 0, "G8": 0, "G9": 0, "G10": 1}
WARNING = {"W1": 0, "W2": 0, "W3": 1, "W4": 1, "W5": 0, "N1": 0}
# Score name: its lines (1 = reversed) and how many of them must be answered.
SCORES = {"growth": (GROWTH, 8), "warning": (WARNING, 5)}
PAGE = 500


def textbook(base: str, folder: Path, limit: int, answer_rows: bool = False, url: str = "") -> tuple[int, float]:
    """Pull by fhirclient, merge by the ORM; gives the responses stored and the seconds taken.

    With `answer_rows` each answer is a row of its own, which is what a normalised model does and takes several times as
    long; without it the answers are one JSON column, which makes the baseline stronger.
    """
    from fhirclient.client import FHIRClient
    from fhirclient.models.questionnaireresponse import QuestionnaireResponse
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from . import textbook_models as models

    engine = create_engine(url or f"sqlite:///{folder / 'textbook.db'}")
    models.Base.metadata.create_all(engine)
    began = time.perf_counter()
    server = FHIRClient(settings={"app_id": "benchmark", "api_base": f"{base}/"}).server
    search = QuestionnaireResponse.where({"_sort": "_lastUpdated", "_count": str(PAGE)})
    stored = 0
    for bundle in search.perform_iter(server):
        with Session(engine) as session, session.begin():
            for entry in bundle.entry or []:
                session.merge(_textbook_row(models, entry.resource, answer_rows))
        stored += len(bundle.entry or [])
        if limit and stored >= limit:
            break
    return stored, time.perf_counter() - began


def _textbook_row(models: Any, resource: Any, answer_rows: bool) -> Any:  # fhirclient carries no types
    answers = {}
    for item in resource.item:
        coding = item.answer[0].valueCoding
        answers[item.linkId] = int(coding.code.rsplit("-", 1)[1])
    scores = {name: _mean(answers, lines, least) for name, (lines, least) in SCORES.items()}
    row = models.StoredResponse(
        id=resource.id,
        client=resource.subject.reference,
        version=resource.meta.versionId,
        updated=resource.meta.lastUpdated.date,
        authored=resource.authored.date,
        answers=answers,
        **scores,
    )
    if answer_rows:
        row.rows = [models.StoredAnswer(response_id=row.id, item=item, value=value) for item, value in answers.items()]
    return row


def _mean(answers: dict[str, int], lines: dict[str, int], least: int) -> float | None:
    values = [4 - answers[line] if reverse else answers[line] for line, reverse in lines.items() if line in answers]
    return sum(values) / len(values) if len(values) >= least else None


UPSERT = """
INSERT INTO response (id, client, version, updated, authored, answers, growth, warning) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET client = excluded.client, version = excluded.version, updated = excluded.updated,
    authored = excluded.authored, answers = excluded.answers, growth = excluded.growth, warning = excluded.warning
WHERE excluded.updated > response.updated
"""


def floor(base: str, folder: Path, limit: int) -> tuple[int, float]:
    """Pull, score and store with as little work as we know how; gives the responses stored and the seconds taken."""
    import sqlite3

    import requests

    from . import floor_decode

    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS response (id TEXT PRIMARY KEY, client TEXT, version TEXT, updated TEXT, "
        "authored TEXT, answers BLOB, growth REAL, warning REAL)"
    )
    scorer = floor_decode.Scorer(SCORES)
    began = time.perf_counter()
    session = requests.Session()
    address: str | None = f"{base}/QuestionnaireResponse?_sort=_lastUpdated&_count={PAGE}"
    stored = 0
    while address:
        answer = session.get(address, timeout=30)
        answer.raise_for_status()
        rows, address = scorer.page(answer.content)
        database.execute("BEGIN")
        database.executemany(UPSERT, rows)
        database.execute("COMMIT")
        stored += len(rows)
        if limit and stored >= limit:
            break
    seconds = time.perf_counter() - began
    database.close()
    return stored, seconds


def main() -> None:
    """Run one baseline and print its figures as a line of JSON."""
    kinds: dict[str, Callable[[str, Path, int], tuple[int, float]]] = {
        "textbook": lambda base, folder, limit: textbook(base, folder, limit, url=options.url),
        "textbook-rows": lambda base, folder, limit: textbook(base, folder, limit, answer_rows=True),
        "floor": floor,
    }
    parser = argparse.ArgumentParser(description="A baseline over a FHIR server.")
    parser.add_argument("kind", choices=list(kinds))
    parser.add_argument("--base", required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0, help="stop after this many responses; 0 takes all")
    parser.add_argument("--url", default="", help="of the textbook's database; SQLite in DIR by default")
    options = parser.parse_args()
    stored, seconds = kinds[options.kind](options.base, options.dir, options.limit)
    report({"responses": stored, "seconds": round(seconds, 4), "per_s": round(stored / seconds, 1)})


if __name__ == "__main__":
    main()
