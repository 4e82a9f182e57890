"""The forms that files hold, as answers show them: for proposing a mapping. What only one client wrote is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ...plugin_core.contracts import RemoteAnswer, RemoteForm, RemoteLine, RemoteQuestion, RemoteResponse
from ...plugin_core.instruments import builtin
from ...plugin_core.instruments.translations import every
from ...plugin_core.mapping.texts import plain
from .reading import Known, Practice

LONGEST_LABEL = 80
MOST_LABELS = 40


@dataclass(slots=True)
class _Question:
    """One question with the answers met; for each how many clients gave it (one, or more)."""

    text: str
    labels: dict[str, set[str]] = field(default_factory=dict)
    too_many: bool = False

    def take(self, line: RemoteLine, client: str) -> None:
        """Counts a line's answers."""
        for answer in line.answers:
            label = answer.label or ""
            if label not in self.labels and len(self.labels) >= MOST_LABELS:
                self.too_many = True
            elif len(label) <= LONGEST_LABEL and len(self.labels.setdefault(label, set())) < 2:
                self.labels[label].add(client)


def forms_of(files: Iterable[Known], practice: Practice) -> Iterator[RemoteForm]:
    """The forms in all files, each question with the labels that are labels: known ones, numbers, and what at least two
    clients answered. The words of one client alone may be a note about a life, and are nobody's business here."""
    found: dict[str, dict[str, _Question]] = {}
    for one in files:
        with one.open(practice) as (reader, rows):
            for form in reader.forms(rows, one.survey, None):
                if isinstance(form, RemoteResponse):
                    questions = found.setdefault(form.form, {})
                    several = one.layout.only_form is None  # then the columns of all forms stand side by side
                    for line in (line for line in form.lines if line.answers or not several):
                        questions.setdefault(line.question, _Question(line.text or line.question)).take(
                            line, form.client
                        )
    labels = _labels()
    for name, questions in found.items():
        listed = tuple(RemoteQuestion(key, one.text, tuple(_options(one, labels))) for key, one in questions.items())
        yield RemoteForm(name, None, name, listed, observed=True)


def _options(question: _Question, known: frozenset[str]) -> Iterator[RemoteAnswer]:
    for label, clients in question.labels.items():
        number = float(label) if label.isascii() and label.isdigit() and len(label) <= 3 else None
        if number is not None or plain(label) in known or (len(clients) > 1 and not question.too_many):
            yield RemoteAnswer(label=label, number=number)


def _labels() -> frozenset[str]:
    forms = (form for instrument in builtin() for form in every(instrument))
    return frozenset(plain(option.label) for form in forms for item in form.items for option in item.options)
