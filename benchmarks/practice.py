"""An invented practice for the benchmark: clients, a year of gr18 forms, and their FHIR JSON, seeded.

Nothing here describes a person: names are "Client 17", answers come from a random walk. One client in six leans on
therapy and stands still, the others begin anywhere and grow, slowly as a rule: about as many are prompted about as
docs/signal.md leads one to expect (R1 about each such client and one of twenty others), and no more evidence is written
than a practice would see.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

Shape = Literal["lean", "full"]

BASE = "https://handrail.example/fhir"
ORDINAL_VALUE = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
FORMS_PER_CLIENT = 10
OMITTED = 255
PRACTICE_OFFSET = timezone(timedelta(hours=1))

TRUTH = ("truth", ("Not true", "A little true", "Partly true", "Mostly true", "Very true"))
EXTENT = ("extent", ("Not at all", "A little", "Somewhat", "Quite a bit", "Very much"))
NEED = (
    "need",
    (
        "a tool I choose to use",
        "closer to a tool",
        "some of both",
        "closer to something I need",
        "something I could not get by without",
    ),
)

# One row a line of the form, in its order: id, text, options, and how the invented answer follows the client's level
# (+1 with it, -1 against it).
LINES = (
    ("G3", "I have spent time on things that matter to me.", TRUTH, 1),
    ("G1", "When something hard comes up, I trust that I can deal with it.", TRUTH, 1),
    ("W3", "I have cared about how other people are doing.", TRUTH, 1),
    ("G2", "I feel stuck with only one way to act.", TRUTH, -1),
    ("G8", "I am the one who decides what I do next in my life.", TRUTH, 1),
    ("W2", "When I feel bad, I need to talk with my therapist before I can feel okay.", TRUTH, -1),
    ("G5", "It is okay for me to want good things and to go after them.", TRUTH, 1),
    ("G10", "My feelings take over before I can choose what to do.", TRUTH, -1),
    ("W4", "I have been open to ideas that are different from mine.", TRUTH, 1),
    ("G7", "I can be close to people and still feel safe and like myself.", TRUTH, 1),
    ("W1", "When I think about who I am, I mostly think about what is wrong with me.", TRUTH, -1),
    ("G4", "I trust my own sense of what to say or do in the moment.", TRUTH, 1),
    ("G6", "I drop a choice I made once it gets hard.", TRUTH, -1),
    ("W5", "I wait for my therapist to tell me what to do about big choices.", TRUTH, -1),
    ("G9", "I can live with the fact that some things are out of reach for me.", TRUTH, 1),
    ("N1", "Right now, therapy is mostly …", NEED, -1),
    ("N2", "I can picture a time when I am doing well and no longer come to therapy.", TRUTH, 1),
    ("F1", "I left my last session feeling better.", EXTENT, 1),
    ("F2", "I have done something in a new way in my life because of what we worked on.", EXTENT, 1),
)


@dataclass(frozen=True)
class Kind:
    """Where clients begin (from, to) and how far they move from form to form (mean, standard deviation), on 0 to 4."""

    start: tuple[float, float]
    drift: tuple[float, float]


LEANING = Kind((1.0, 1.6), (0.0, 0.03))
GROWING = Kind((1.7, 3.2), (0.05, 0.05))
ALWAYS_ANSWERED = 14  # of the 19 lines; up to four of the others are left out, as FHIR servers leave out blanks


@dataclass(slots=True)
class Form:
    """One filled form; `answers` holds a byte a line, 0 to 4 or OMITTED."""

    number: int
    client: int
    authored: str
    updated: str
    answers: bytes
    version: int = 1


def stamp(moment: datetime) -> str:
    """The FHIR instant of a moment, in UTC with milliseconds, so that texts sort as the moments do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def forms(count: int, end: datetime, seed: int = 18, *, each: int = FORMS_PER_CLIENT, days: int = 365) -> list[Form]:
    """`count` forms, `each` of a client, over the year (or `days`) before `end`, ascending by time stamp."""
    rng = random.Random(seed)
    clients = max(1, count // each)
    start = end - timedelta(days=days)
    people = [LEANING if client % 6 == 0 else GROWING for client in range(clients)]
    levels = [rng.uniform(*kind.start) for kind in people]
    drifts = [rng.gauss(*kind.drift) for kind in people]
    made = []
    for number in range(count):
        turn, client = divmod(number, clients)
        level = levels[client] + drifts[client] * turn
        # Each turn takes a tenth of the year; within it the clients follow one another, so that stamps ascend.
        authored = start + timedelta(days=days) * (number / count)
        updated = authored + timedelta(milliseconds=rng.randrange(1000))
        local = authored.astimezone(PRACTICE_OFFSET).isoformat(timespec="seconds")
        made.append(Form(number + 1, client + 1, local, stamp(updated), _answers(rng, level)))
    made.sort(key=lambda form: form.updated)
    return made


def _answers(rng: random.Random, level: float) -> bytes:
    values = bytearray()
    for _id, _text, _options, sign in LINES:
        lean = level if sign > 0 else 4 - level
        values.append(min(4, max(0, round(lean + rng.gauss(0, 0.7)))))
    for _ in range(rng.randrange(5)):
        values[rng.randrange(ALWAYS_ANSWERED, len(LINES))] = OMITTED
    return bytes(values)


def amend(form: Form, moment: datetime, rng: random.Random) -> Form:
    """The same form with one answer changed, the next version, stamped `moment`."""
    answers = bytearray(form.answers)
    line = rng.randrange(ALWAYS_ANSWERED)
    answers[line] = (answers[line] + rng.randrange(1, 5)) % 5
    return Form(form.number, form.client, form.authored, stamp(moment), bytes(answers), form.version + 1)


def line_table(shape: Shape) -> list[dict[int, str]]:
    """For each line of the form and each answer, its ready JSON text.

    `full` carries the line's text and the weight of the answer; `lean` carries neither (linkId, system, code, display).
    """
    return [{value: _line(row, value, shape) for value in range(5)} for row in LINES]


def _line(row: tuple[str, str, tuple[str, tuple[str, ...]], int], value: int, shape: Shape) -> str:
    link_id, text, (prefix, displays), _sign = row
    coding: dict[str, object] = {
        "system": f"{BASE}/CodeSystem/gr18",
        "code": f"{prefix}-{value}",
        "display": displays[value],
    }
    item: dict[str, object] = {"linkId": link_id}
    if shape == "full":
        coding["extension"] = [{"url": ORDINAL_VALUE, "valueDecimal": value}]
        item["text"] = text
    item["answer"] = [{"valueCoding": coding}]
    return _dump(item)


def response_json(form: Form, table: list[dict[int, str]]) -> str:
    """The QuestionnaireResponse of a form as JSON text."""
    items = ",".join(cells[value] for cells, value in zip(table, form.answers, strict=True) if value != OMITTED)
    return (
        f'{{"resourceType":"QuestionnaireResponse","id":"qr{form.number}",'
        f'"meta":{{"versionId":"{form.version}","lastUpdated":"{form.updated}"}},'
        f'"questionnaire":"{BASE}/Questionnaire/gr18|1","status":"completed",'
        f'"subject":{{"reference":"Patient/p{form.client}"}},"authored":"{form.authored}","item":[{items}]}}'
    )


def patient_json(client: int, updated: str) -> str:
    """The Patient of an invented client as JSON text."""
    name = [{"use": "official", "text": f"Client {client}", "family": str(client), "given": ["Client"]}]
    meta = {"versionId": "1", "lastUpdated": updated}
    return _dump({"resourceType": "Patient", "id": f"p{client}", "meta": meta, "active": True, "name": name})


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
