"""A small engine with the same attributes as the real one, filled from the demo's invented practice or by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from handrail.adapters.demo.practice import Practice
from handrail.plugin_core.figures import PracticeFigures
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.rules import builtin_rules
from handrail.plugin_core.rules.life import episodes, shown
from handrail.plugin_core.scoring import Scorer
from handrail.plugin_core.views import ClientView, FlagRow
from handrail.schemas.records import (
    Acknowledgement,
    Answers,
    Course,
    Delivery,
    Evidence,
    Flag,
    FormUsed,
    Hold,
    Problem,
    Quarantined,
    Response,
    RunReport,
    ScoredForm,
)
from handrail.schemas.vocab import DeliveryState, FlagState, QuarantineReason, RemoteState, RunOutcome

AS_OF = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
RULES = builtin_rules()
KINDS = {rule.id: rule.kind for rule in RULES}


_YEAR = datetime(2026, 11, 20, tzinfo=UTC)
FIGURES = PracticeFigures(
    since=_YEAR - timedelta(days=365),
    until=_YEAR,
    asked=120,
    answered=81,
    open=4,
    clients=40,
    prompts=9,
    seen=6,
    useful={"yes": 4, "no": 1, "unsure": 1, "unsaid": 0},
    days_to_seen=2.5,
)


class FakeEngine:
    """What the views read of an engine."""

    def __init__(self, views: Sequence[ClientView] = (), **given: Any) -> None:
        self.settings = SimpleNamespace(name=given.get("name", "Invented practice"), practice="practice", language="en")
        self.registry = SimpleNamespace(rules={rule.id: SimpleNamespace(descriptor=rule) for rule in RULES})
        self._views = {view.key: view for view in views}
        self._aside = list(given.get("aside", ()))
        self._runs = list(given.get("runs", ()))
        self.figures = SimpleNamespace(read=lambda: FIGURES)

    def flags(self, *, everything: bool = False, client: str | None = None) -> list[FlagRow]:
        standing = (FlagState.RAISED, FlagState.ACKNOWLEDGED, FlagState.HELD)
        rows = [row for view in self._views.values() for row in view.flags]
        rows = [row for row in rows if everything or row.flag.state in standing]
        rows.sort(key=lambda row: row.flag.opened, reverse=True)
        return sorted(rows, key=lambda row: row.kind != "safety")

    def clients(self) -> list[tuple[str, str]]:
        return sorted(((key, view.shown) for key, view in self._views.items()), key=lambda pair: pair[1])

    def client(self, ref: str) -> ClientView:
        return self._views[ref]

    def status(self) -> dict[str, int]:
        forms = sum(len(course.forms) for view in self._views.values() for course in view.courses)
        states = [row.flag.state.value for view in self._views.values() for row in view.flags]
        counted = {f"flags_{state}": states.count(state) for state in set(states)}
        return {"responses": forms, "clients": len(self._views), "set_aside": len(self._aside)} | counted

    def set_aside(self) -> list[Quarantined]:
        return self._aside

    def runs(self, limit: int = 10) -> list[RunReport]:
        return self._runs[:limit]


def form(number: int, answers: Answers, *, instrument: str = "gr18", weeks: int = 4, **more: Any) -> ScoredForm:
    """The form of that number, scored, `weeks` apart, at noon in winter time."""
    when = datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(weeks=weeks * number)
    record = builtin_one(instrument)
    response = Response(f"{instrument}-{number}", "c", instrument, record.version, when, answers, **more)
    return Scorer(record).form(response)


def even(growth: int = 2, warning: int = 1, **other: Any) -> dict[str, Any]:
    """Answers of gr18 with these levels on every line of a score (0-4, in the direction of the score)."""
    found: dict[str, Any] = {}
    for item in builtin_one("gr18").items:
        level = growth if item.id.startswith("G") else warning if item.id[0] in "WN" else 2
        found[item.id] = 4 - level if item.reverse else level
    return found | other


def course(forms: Iterable[ScoredForm], instrument: str = "gr18", **more: Any) -> Course:
    """A course of these forms."""
    return Course("key-of-client", builtin_one(instrument), tuple(forms), **more)


RISING = [even(warning=w) for w in (1, 1, 1, 3, 3)]


def rows_of(courses: Sequence[Course], name: str, **more: Any) -> list[FlagRow]:
    """Flags that the built-in rules raise on these courses, as rows."""
    rows = []
    for one in courses:
        opened: dict[str, list[Any]] = {}
        for rule in RULES:
            if rule.kind != "note" and rule.instrument in (None, one.instrument.id):
                for episode in episodes(rule, one):
                    opened.setdefault(episode.key_form, []).append(episode)
        for together in opened.values():
            split = shown(together)
            visible = {e.rule.id for e in (split.first, *split.good_news, *split.safety) if e}
            rows += [_row(e, name, e.rule.id in visible, more) for e in together]
    return rows


def _row(episode: Any, name: str, on_top: bool, more: dict[str, Any]) -> FlagRow:
    rule, key = episode.rule, f"{abs(hash((name, episode.rule.id, episode.key_form))):016x}"
    closed = None if episode.closing_form is None else episode.closing_form.authored
    flag = Flag(
        key=more.get("key", key),
        client=episode.course.client,
        rule=rule.id,
        rule_version=rule.version,
        state=FlagState.RAISED if closed is None else FlagState.CLEARED,
        opened=episode.form.authored,
        opening_form=episode.key_form,
        evidence=episode.evidence(),
        score=episode.score,
        closed=closed,
        shown=on_top,
    )
    sent = () if rule.kind == "safety" or not on_top else (delivery(key, closed is None),)
    return FlagRow(flag, rule.kind, name, more.get("clinician", "Robin Placeholder"), sent, (), more.get("hold"))


def delivery(flag: str, active: bool = True, **more: Any) -> Delivery:
    """A flag that lies on the platform."""
    wanted = RemoteState.ACTIVE if active else RemoteState.INACTIVE
    return replace(Delivery(flag, "flag", wanted, wanted, DeliveryState.DELIVERED), **more)


def view(courses: Sequence[Course], name: str | None = "Ada Example", **more: Any) -> ClientView:
    """A client with these courses and the flags that follow from them."""
    key = courses[0].client if courses else "key-of-client"
    rows = more["flags"] if "flags" in more else rows_of(courses, name or key, hold=more.get("hold"))
    holds = (more["hold"],) if more.get("hold") else ()
    return ClientView(key, f"Patient/{key}", name, "Robin Placeholder", tuple(courses), tuple(rows), holds)


def rising_view(**more: Any) -> ClientView:
    """A client whose reliance and outlook answers have gone up: P1 stands."""
    return view([course(form(n, answers) for n, answers in enumerate(RISING))], **more)


def hold(client: str = "key-of-client", reason: str = "bereavement") -> Hold:
    """A hold of two months."""
    return Hold(client, date(2026, 11, 1), date(2026, 12, 31), reason, "Robin")


def acknowledgement(flag: str, **more: Any) -> Acknowledgement:
    """Somebody has seen it."""
    return replace(Acknowledgement(flag, AS_OF, "Robin", "talked about it", "yes"), **more)


def bare_row(reason: str, **more: Any) -> FlagRow:
    """A flag with nothing but a reason."""
    evidence = Evidence(reason, (FormUsed("gr18-1", AS_OF, "this form", {"W5": 4}),), (), (), (), "")
    flag = Flag("0123456789abcdef", "key-of-client", "P1", "1", FlagState.RAISED, AS_OF, "gr18-1", evidence)
    return replace(FlagRow(flag, "prompt", "Ada Example", None, (), (), None), **more)


def run(**more: Any) -> RunReport:
    """A run that went well but for one note."""
    counts = {"pulled": 512, "new": 500, "raised": 14, "set_aside": 2}
    note = Problem("Two forms were set aside. See: handrail report", "fhir")
    end = AS_OF + timedelta(seconds=3.25)
    return replace(RunReport(AS_OF, end, RunOutcome.COMPLETE, counts, {"pull": 2.5}, (note,)), **more)


def set_aside() -> Quarantined:
    """A form that was reworded."""
    message = "The wording of line 6 is not the one that was confirmed. Run: handrail connect"
    return Quarantined("response-77", QuarantineReason.CHANGED_DEFINITION, "item[5].text", message)


def invented() -> FakeEngine:
    """The demo's forty clients with the flags that follow from their answers."""
    practice = Practice(AS_OF.date())
    latest = {f.id: f for f in practice.forms if f.authored and f.version is None}
    views = []
    for client in practice.courses:
        forms: dict[str, list[ScoredForm]] = {}
        for one in sorted(latest.values(), key=lambda f: (f.authored, f.id)):
            if one.authored is None or one.client != client or one.status not in ("completed", "amended"):
                continue
            record, tags = builtin_one(one.instrument), frozenset({"shared"} if one.shared else ())
            response = Response(one.id, client, record.id, record.version, one.authored, one.answers, tags=tags)
            forms.setdefault(record.id, []).append(Scorer(record).form(response))
        alone = {name: Course(client, builtin_one(name), tuple(found)) for name, found in forms.items()}
        courses = [replace(c, others={n: o for n, o in alone.items() if n != name}) for name, c in alone.items()]
        views.append(view(courses, practice.name(client)))
    return FakeEngine(views, runs=[run(), run()], aside=[set_aside()])
