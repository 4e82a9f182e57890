"""An invented practice: forty clients, three therapists, a year of answers, and what comes after the first sync.

The same seed and the same last day give the same bytes. No name is a person's, no answer was ever given by anyone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from functools import cached_property
from random import Random

from ...plugin_core.instruments import builtin_one
from ...plugin_core.uris import BASE
from ...plugin_core.words import mark
from ...schemas.records import Answers, Instrument
from .answers import client_answers, fill, stance_answers, symptom_answers
from .checks import Json
from .courses import COURSES, NOT_EVALUATED, RULES
from .dirt import OLD_VERSION, OLD_WORDING, SOILED, stray
from .server import DemoServer

DEFAULT_SEED = 18
ZONE = timezone(timedelta(hours=1))
GIVEN = (
    *("Ada", "Bo", "Cleo", "Dag", "Eda", "Fenn", "Gil", "Hedy", "Ivo", "Juna"),
    *("Kit", "Lio", "Mira", "Nell", "Odo", "Pia", "Quin", "Rafa", "Suri", "Tove"),
)
FAMILY = ("Example", "Sample")
THERAPISTS = ("Robin Placeholder", "Sasha Placeholder", "Toni Placeholder")
FORMS = ("gr18", "phq9", "gad7", "core10", "ts8")


@dataclass(frozen=True, slots=True)
class InventedForm:
    """One filled-in form before it is put into the platform's words. `stamp` is when the platform got it."""

    id: str
    client: str
    instrument: str
    stamp: datetime
    answers: Answers
    authored: datetime | None = None
    status: str = "completed"
    by: str | None = None
    shared: bool = False
    version: str | None = None
    rewords: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What was meant with a client, and what Handrail must make of it. `standing` is on the last day of the year."""

    client: str
    name: str
    key: str
    words: str
    raised: frozenset[str]
    standing: frozenset[str]
    silent: frozenset[str]
    noted: bool
    dirt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that happens between two syncs: what it is in words, the form as it then is, what must follow.

    `then` maps a rule to what becomes of the client's flag: `raised`, `cleared` or `withdrawn`.
    """

    words: str
    form: InventedForm
    then: Mapping[str, str]


class Practice:
    """The invented practice.

    :param as_of: the last day of its year; all forms are older.
    :param seed: another number gives other answers within the same courses.
    """

    def __init__(self, as_of: date, seed: int = DEFAULT_SEED) -> None:
        self.as_of = as_of
        self.seed = seed
        order = list(COURSES)
        Random(f"{seed}:order").shuffle(order)  # noqa: S311 - invented records, no secret
        self.courses = {f"client-{number:02d}": course for number, course in enumerate(order, 1)}

    # --- who is there --------------------------------------------------------------------------------------------

    def name(self, client: str) -> str:
        """The invented name of a client."""
        number = int(client.removeprefix("client-")) - 1
        return f"{GIVEN[number % len(GIVEN)]} {FAMILY[number // len(GIVEN)]}"

    def therapist(self, client: str) -> str:
        """The id of the therapist who is responsible for a client."""
        return f"therapist-{int(client.removeprefix('client-')) % len(THERAPISTS) + 1}"

    def people(self) -> list[Json]:
        """Practitioner and Patient resources."""
        therapists = [
            {"resourceType": "Practitioner", "id": f"therapist-{number}", "active": True, "name": [_name(name)]}
            for number, name in enumerate(THERAPISTS, 1)
        ]
        clients = [
            {
                "resourceType": "Patient",
                "id": client,
                "active": True,
                "name": [_name(self.name(client))],
                "generalPractitioner": [
                    {
                        "reference": f"Practitioner/{self.therapist(client)}",
                        "display": THERAPISTS[int(self.therapist(client)[-1]) - 1],
                    }
                ],
            }
            for client in self.courses
        ]
        return [*therapists, *clients]

    # --- what they answered --------------------------------------------------------------------------------------

    @cached_property
    def forms(self) -> tuple[InventedForm, ...]:
        """Every form of the year with its dirt, in the order in which the platform got them."""
        clean = [form for client in self.courses for form in self._year(client)]
        dirty = [
            form
            for client, course in self.courses.items()
            for kind in course.dirt
            for form in SOILED[kind](self, client)
        ]
        last = self._last_day(next(iter(self.courses)))
        found = [*clean, *dirty, stray(self, last)]
        return tuple(sorted(found, key=lambda form: (form.stamp, form.id)))

    def gr18(self, client: str) -> list[InventedForm]:
        """A client's own `gr18` forms of the year, without dirt, oldest first."""
        return [form for form in self._year(client) if form.instrument == "gr18"]

    def form(self, client: str, instrument: str, number: int, when: datetime) -> InventedForm:
        """One form as the client's course means it."""
        course, record = self.courses[client], builtin_one(instrument)
        rng = Random(f"{self.seed}:{client}:{instrument}:{number}")  # noqa: S311 - as above
        if instrument == "gr18":
            answers = client_answers(rng, record, course, number)
        elif instrument == "ts8":
            answers = stance_answers(rng, record, course)
        else:
            answers = symptom_answers(rng, record, course, number)
        return InventedForm(
            id=f"{client}-{instrument}-{number + 1:02d}",
            client=client,
            instrument=instrument,
            stamp=when + timedelta(seconds=rng.randrange(2, 90), milliseconds=rng.randrange(1000)),
            answers={**answers, **course.marks.get((instrument, number), {})},
            authored=when,
            by=f"Practitioner/{self.therapist(client)}" if instrument == "ts8" else None,
            shared=instrument == "ts8",
        )

    def _year(self, client: str) -> Iterator[InventedForm]:
        course = self.courses[client]
        for number, day in enumerate(self._days(client)):
            rng = Random(f"{self.seed}:{client}:{number}")  # noqa: S311 - as above
            when = datetime.combine(day, time(rng.randrange(8, 20), rng.randrange(60)), ZONE)
            yield self.form(client, "gr18", number, when)
            for instrument in course.symptoms:
                when += timedelta(minutes=rng.randrange(3, 9))
                yield self.form(client, instrument, number, when)
            if course.stance and (course.forms - 1 - number) % 2 == 0:
                yield self.form(client, "ts8", number, when - timedelta(hours=1))

    def _days(self, client: str) -> list[date]:
        """The days of a client's forms, oldest first; the last is exact, the others may be a day early or late."""
        course, last = self.courses[client], self._last_day(client)
        rng = Random(f"{self.seed}:{client}:days")  # noqa: S311 - as above
        days = []
        for number in range(course.forms):
            back = (course.forms - 1 - number) * 7 * course.every
            days.append(last - timedelta(days=back + (rng.randrange(-1, 2) if back else 0)))
        return days

    def _last_day(self, client: str) -> date:
        rng = Random(f"{self.seed}:{client}:last")  # noqa: S311 - as above
        return self.as_of - timedelta(days=rng.randint(*self.courses[client].ended))

    # --- on the platform -----------------------------------------------------------------------------------------

    def instruments(self) -> tuple[Instrument, ...]:
        """The forms that the practice uses: publish these before the year is loaded."""
        return tuple(builtin_one(name) for name in FORMS)

    def load_people(self, server: DemoServer) -> None:
        """Puts the practice's people on its platform, as they were before the year began."""
        began = datetime.combine(self.as_of - timedelta(days=400), time(9), ZONE)
        for number, person in enumerate(self.people()):
            server.load(person, began + timedelta(seconds=number))

    def load_year(self, server: DemoServer) -> int:
        """Lets the clients answer: the year's forms, on the forms that are published there. Gives their number.

        :raises LookupError: a form of `instruments()` is not published on this server yet.
        """
        published = {name: find_published(server, builtin_one(name)) for name in FORMS}
        server.load(_old_edition(published["gr18"]), datetime.combine(self.as_of - timedelta(days=399), time(9), ZONE))
        for form in self.forms:
            server.load(to_fhir(form, published[form.instrument]), form.stamp)
        return len(self.forms)

    def play(self, server: DemoServer) -> tuple[Deed, ...]:
        """Does what happens between two syncs, on the server's own clock. Gives what was done."""
        deeds = self.second_act(server.clock.now())
        for deed in deeds:
            server.load(to_fhir(deed.form, find_published(server, builtin_one(deed.form.instrument))), deed.form.stamp)
        return deeds

    # --- what was meant ------------------------------------------------------------------------------------------

    def story(self) -> tuple[Story, ...]:
        """What was meant with each client, for the reader of the demo and for the test that holds it to that."""
        return tuple(
            Story(
                client=client,
                name=self.name(client),
                key=course.key,
                words=course.words,
                raised=course.raised,
                standing=course.standing,
                silent=frozenset(RULES) - course.raised,
                noted=course.noted,
                dirt=course.dirt,
            )
            for client, course in self.courses.items()
        )

    def not_evaluated(self) -> Mapping[str, str]:
        """The rules that this platform's data cannot show, with the reason."""
        return NOT_EVALUATED

    def second_act(self, now: datetime) -> tuple[Deed, ...]:
        """What happens between two syncs: two new forms, one corrected, one entered in error.

        :param now: the platform's time; the new forms were answered in the minutes before.
        """
        actors = {course.act: client for client, course in self.courses.items() if course.act}
        raises, clears = actors["raises R1"], actors["clears R1"]
        wrong, mended = self.gr18(actors["withdraws R1"])[-1], self.gr18(actors["amends R1"])[-1]
        before = self.gr18(mended.client)[0].answers
        moment = [now - timedelta(minutes=4 - number) for number in range(4)]
        return (
            Deed(
                mark("a new form, high again on the reliance and outlook lines"),
                replace(self._next(raises, moment[0]), stamp=moment[0]),
                {"R1": "raised"},
            ),
            Deed(
                mark("a new form, low on the reliance and outlook lines for the third time"),
                replace(self._next(clears, moment[1]), stamp=moment[1]),
                {"R1": "cleared"},
            ),
            Deed(
                mark("the last form was another person's and is marked as entered in error"),
                replace(wrong, stamp=moment[2], status="entered-in-error"),
                {"R1": "withdrawn"},
            ),
            Deed(
                mark("the last form is corrected by the client"),
                replace(mended, stamp=moment[3], status="amended", answers=before),
                {"R1": "withdrawn"},
            ),
        )

    def _next(self, client: str, when: datetime) -> InventedForm:
        return self.form(client, "gr18", self.courses[client].forms, when.astimezone(ZONE).replace(microsecond=0))


def find_published(server: DemoServer, instrument: Instrument) -> Json:
    """The Questionnaire of an instrument on the server.

    :raises LookupError: it is not there.
    """
    for stored in server.store.latest("Questionnaire"):
        body = stored.body
        if body is not None and (body.get("url"), body.get("version")) == (
            _canonical(instrument.id),
            instrument.version,
        ):
            return body
    raise LookupError(f"The form {instrument.id} is not published on the demo platform yet.")


def to_fhir(form: InventedForm, questionnaire: Json) -> Json:
    """The form as the platform keeps it: a QuestionnaireResponse to the published Questionnaire."""
    subject = {"reference": f"Patient/{form.client}"}
    body: Json = {
        "resourceType": "QuestionnaireResponse",
        "id": form.id,
        "questionnaire": f"{questionnaire['url']}|{form.version or questionnaire['version']}",
        "status": form.status,
        "subject": subject,
        "author": {"reference": form.by} if form.by else subject,
        "source": {"reference": form.by} if form.by else subject,
        "language": "en",
    }
    if form.authored is not None:
        body["authored"] = form.authored.isoformat(timespec="seconds")
    if form.shared:
        body["meta"] = {"tag": [{"system": f"{BASE}/CodeSystem/tag", "code": "shared"}]}
    if items := fill(questionnaire, form.answers):
        body["item"] = items
        body["item"] = _reworded(items, form.rewords or {})
    return body


def _reworded(items: Sequence[Json], texts: Mapping[str, str]) -> list[Json]:
    """The same lines with other texts, by linkId."""
    found = []
    for item in items:
        line = {**item, "text": texts[item["linkId"]]} if item["linkId"] in texts else dict(item)
        if "item" in line:
            line["item"] = _reworded(line["item"], texts)
        found.append(line)
    return found


def _old_edition(questionnaire: Json) -> Json:
    """The practice's own first edition of the form, worded by itself: same address, another version."""
    items = _reworded(questionnaire["item"], OLD_WORDING)
    return {**questionnaire, "id": "gr18-first-edition", "version": OLD_VERSION, "status": "retired", "item": items}


def _canonical(instrument: str) -> str:
    return f"{BASE}/Questionnaire/{instrument}"


def _name(text: str) -> Json:
    given, family = text.split(" ")
    return {"text": f"{text} (invented)", "given": [given], "family": family}
