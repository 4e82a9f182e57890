"""Every sentence that the rules say, in one place, as templates with named gaps.

The wording rules are those of docs/rules.md ("What a text may say"): the basis in the first two sentences (which
lines, which forms, how far, with which assumed error), ordinary reasons, a question and never an instruction, no word
of diagnosis, blame, probability or grade, the same sentence for everyone, and nothing that the client could not read.
A rule's title is its heading; the reason follows it and does not repeat it. A test reads all of this.
"""

from __future__ import annotations

from ..words import Texts, mark
from ..words.spelling import count, day, days, exact, listed, one, quoted, raw

__all__ = ["count", "day", "days", "exact", "listed", "one", "quoted", "raw"]

TITLES = Texts(
    {
        "R1": mark("Reliance has been high while growth stood still"),
        "P1": mark("Reliance and outlook answers have gone up"),
        "P2": mark("Growth answers have gone down"),
        "P3": mark("Relief without new steps"),
        "P4": mark("Coming, little change seen"),
        "P5": mark("Steadily high reliance"),
        "P6": mark("Two views differ"),
        "P7": mark("Worth asking about"),
        "N": mark("Good news"),
        "S": mark("Safety answer"),
        "pattern": mark("The same answer on every line"),
    }
)

REASONS = Texts(
    {
        "P1": mark(
            "On the last two forms ({dates}) the {count} {lines} averaged {first} and {second}; {baseline}. The rise "
            "is larger than the {band} we assume for ordinary ups and downs ({origin}). {moves}Most rises of this kind "
            "do not mean that something is wrong: a hard stretch or an early phase can do this. You might ask how the "
            "client sees it."
        ),
        "P2": mark(
            "On the last two forms ({dates}) the {count} {lines} averaged {first} and {second}; {baseline}. "
            "The fall is larger than the {band} we assume for ordinary ups and downs ({origin}). {moves}"
            "Most falls of this kind do not mean that something is wrong: a hard month, a loss, or therapy that is "
            "working on something painful can do this. You might ask how the client sees it."
        ),
        "P3": mark(
            "On {met} of the last {window} forms ({dates}) {relief} was answered 3 or 4 and {change} 0 or 1. "
            "Each of these is a single line, and how much it goes up and down by chance is not known. "
            "Often this means nothing: relief can be just what is needed in a hard month or an early phase, and new "
            "steps can take time or be ones that this line does not ask about. "
            "You might ask what has stayed with the client from the sessions."
        ),
        "P4": mark(
            "On the last form ({date}) the {count} {lines} averaged {now}; {baseline}, which is within the {band} we "
            "assume for ordinary ups and downs ({origin}). On the last two forms ({dates}) {change} was answered "
            "{first} and {second}, {sessions} attended sessions after the start, and {symptoms}. "
            "This may mean nothing: slow stretches are ordinary, holding steady can be what is wanted, and work on "
            "something painful may show later or on no form. You might ask what the client would notice first."
        ),
        "P5": mark(
            "On the last three forms ({dates}) the {count} {lines} averaged {values}, each at 3.0 or more. The "
            "{growth_count} {growth_lines} averaged {growth} on the last form; {baseline}, so they are not up by more "
            "than the {band} we assume for ordinary ups and downs ({origin}). This may mean nothing: leaning on "
            "therapy is ordinary in an early phase, a hard month or a loss, and can be a good choice. You might ask "
            "what the client would like to rely on, now and later."
        ),
        "P6": mark(
            "On {client_date} the client answered {client} on {client_line}; on {therapist_date} the therapist's "
            "self-check had {therapist} on {therapist_line}. Both are single lines of 0 to 4, and how much they go up "
            "and down by chance is not known. Two people often see the same talk in two ways, and a hard month or an "
            "early phase can widen that. You might ask how decisions have been made of late."
        ),
        "P7": mark(
            "On this form ({date}) the last answer, 4 of 0 to 4, was given on {lines}. "
            "It is one form, and how much a single line goes up and down by chance is not known. "
            "It may mean nothing: a hard week or an early phase can do this. You might ask what it was like."
        ),
        "N.horizon": mark(
            "On the last form ({date}) {line} was answered {now}; {baseline}. "
            "It is a single line, and how much it goes up and down by chance is not known. "
        ),
        "N.end": mark(
            "It may pass, as a good month or a change of surroundings can do this too. "
            "You might ask what the client has done differently."
        ),
        "S.line": mark("Item {number} was answered “{answer}”."),
        "S.urgent": mark("A free text was marked as urgent by the client."),
        "S.end": mark(
            "Please talk with the client today or follow your protocol. The answer is not a measure of danger."
        ),
        "pattern": mark(
            "The same answer was chosen on every line; lines worded in opposite ways agree only by chance."
        ),
        "cleared": mark("On the last two scored forms ({dates}) the condition of this prompt did not hold."),
    }
)

CLEARS = Texts(
    {
        "P1": mark(
            "The condition does not hold on two scored forms in a row. It does not hold on a form when that form or "
            "the scored form before it averages {edge} or less (baseline {mean} plus {band})."
        ),
        "P2": mark(
            "The condition does not hold on two scored forms in a row. It does not hold on a form when that form or "
            "the scored form before it averages {edge} or more (baseline {mean} less {band})."
        ),
        "P3": mark(
            "The condition does not hold on two forms in a row with both lines answered. It does not hold on a form "
            "when fewer than three of the last four such forms have 3 or more on the first line and 1 or less on the "
            "second."
        ),
        "P4": mark(
            "The condition does not hold on two scored forms in a row: growth lies more than {band} from the baseline "
            "of {mean}, or a measure of symptoms moves by its reliable change, or the line on new steps is answered 2 "
            "or more on one of the last two forms."
        ),
        "P5": mark(
            "The condition does not hold on two scored forms in a row. It does not hold on a form when one of the last "
            "three reliance scores is below 3.0, or growth is above {edge} (baseline {mean} plus {band})."
        ),
        "P6": mark(
            "The condition does not hold on two forms in a row that have a shared self-check within 4 weeks before "
            "them: neither 1 or less beside 3 or more, nor 3 or more beside 1 or less."
        ),
        "N": mark("It is taken off the page when its condition does not hold on two scored forms in a row."),
        "S": mark("A person closes it. A later answer does not."),
        "note": mark("It stands for this one form only."),
        "cleared": mark("It has cleared. It comes back as a new prompt if the condition comes true again."),
    }
)

LINES = Texts(
    {
        "growth": mark("growth lines"),
        "warning": mark("reliance and outlook lines"),
        "reliance": mark("reliance lines"),
    }
)

BASELINES = Texts(
    {
        (2, False): mark("the first two ({dates}) averaged {mean}"),
        (1, False): mark("the first ({dates}) averaged {mean}"),
        (2, True): mark("the first two since the change of therapist ({dates}) averaged {mean}"),
        (1, True): mark("the first since the change of therapist ({dates}) averaged {mean}"),
    }
)

ORIGINS = Texts(
    {
        "assumed": mark("an assumption, not yet measured"),
        "local": mark("estimated from this practice's own forms"),
        "published": mark("a published figure"),
    }
)

MOVES = mark("Lines that moved most: {lines}. ")
MOVE = mark("{line} ({before} to {after})")

LANGUAGES = mark(
    "These forms were not all answered in one language ({languages}), and that by itself can move answers."
)

NO_SYMPTOM_MEASURE = mark("no measure of symptoms is in use")
SYMPTOMS_UNMOVED = mark("no measure of symptoms in use ({titles}) has moved by its reliable change")

NO_SESSIONS = mark("not evaluated: the platform gives no sessions")
NOT_ANSWERED = mark("not answered")

OPTIONS = (
    mark("Ask the client how they read the change."),
    mark("Review goals, and how the two of you will know that they are met."),
    mark("Look at decisions taken between sessions."),
    mark("Agree on a small step before next time."),
    mark("Bring it to supervision."),
    mark("Do nothing now, and look again at the next form."),
)
"""What the page offers next (clinical.md 4.4): equal, in no order of merit; nothing about ending therapy."""

EMPTY_STATES = Texts(
    {
        0: mark("No form so far. Change can be shown from the third form on."),
        1: mark("One form so far. Change can be shown from the third form on."),
        2: mark("Two forms so far. Change can be shown from the third form on."),
    }
)
"""What is shown in place of a course with so few forms. Never "nothing found"."""

ACCURACY = mark(  # stands on every page that shows prompts (clinical.md 4.2)
    "Most prompts of this kind do not mean that something is wrong. How often they do is not known for these forms."
)


def origin(name: str) -> str:
    """Where a constant comes from, in words."""
    return ORIGINS.get(name, name)
