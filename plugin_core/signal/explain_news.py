"""The evidence of N: how far growth and reliance lie from where they began, and how unsure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...schemas.records import Constant, Evidence, Step
from ..rules import words
from ..rules.bands import limits
from ..rules.evidence import line_moves, lines_of, moves_words, used
from ..words import tr
from . import texts
from .constants import constants
from .explain import base_of, baseline_text, error_constants, mean_of, seen_steps, two
from .news import SIGNS
from .pages import Followable, Place
from .pages import lines_of as model_lines

SHOWN_FORMS = 2
OTHER = {"growth": "warning", "warning": "growth"}


def explain(found: Followable, stretch: tuple[int, ...], place: Place, told: tuple[str, ...]) -> Evidence:
    """Evidence for the last form of `stretch`; `told` are the scores that are good news."""
    course, base = found.view.course, base_of(found, stretch)
    last = stretch[-SHOWN_FORMS:]
    roles = dict.fromkeys(last, tr("looked at")) | dict.fromkeys(base, tr("baseline"))
    parts = [_part(found, stretch, place, score) for score in told]
    return joined(
        [
            Evidence(
                reason="".join(part.reason for part in parts),
                forms=tuple(
                    used(course.forms[i], roles[i], ("growth", "warning"), model_lines(course.instrument))
                    for i in sorted(roles)
                ),
                steps=(*seen_steps(found, place, sorted(roles)), *(step for part in parts for step in part.steps)),
                constants=(*(one for part in parts for one in part.constants), *_rule_constants()),
                moves=tuple(move for part in parts for move in part.moves),
                clears_when="",
            )
        ]
    )


def means(found: Followable, stretch: Sequence[int], score: str) -> tuple[float, float, float]:
    """A score's mean on the first forms, on the last two, and the error of one form, in points."""
    course = found.view.course
    first, last = (
        sum(mean_of(course, i, score) for i in chosen) / len(chosen)
        for chosen in (base_of(found, stretch), stretch[-SHOWN_FORMS:])
    )
    bands = limits(course.instrument.score(score).change)
    return first, last, bands.pair.sem if bands else 0.0


def joined(parts: Sequence[Evidence]) -> Evidence:
    """Evidence of several parts as one, with the end of the reason and what would clear it."""
    return replace(
        parts[0],
        reason="".join(part.reason for part in parts) + words.REASONS["N.end"],
        forms=tuple(form for part in parts for form in part.forms),
        steps=tuple(step for part in parts for step in part.steps),
        constants=tuple(dict.fromkeys(constant for part in parts for constant in part.constants)),
        moves=tuple(move for part in parts for move in part.moves),
        clears_when=words.CLEARS["N"],
    )


def _part(found: Followable, stretch: tuple[int, ...], place: Place, score: str) -> Evidence:
    course, base, last = found.view.course, base_of(found, stretch), stretch[-SHOWN_FORMS:]
    definition = course.instrument.score(score)
    bands, moves = limits(definition.change), line_moves(course, base, last[-1], {score: SIGNS[score]})
    return Evidence(
        reason=tr(
            texts.NEWS.source[score],
            **lines_of(definition),
            forms=words.count(len(last)),
            dates=words.days([course.forms[i].authored.date() for i in last]),
            values=words.listed([words.one(mean_of(course, i, score)) for i in last]),
            baseline=baseline_text(found, base, score),
            error=words.one(bands.pair.sem) if bands else "?",
            origin=words.origin(definition.change.origin if definition.change else "assumed"),
            moves=moves_words(moves),
        ),
        forms=(),
        steps=(*_steps(place, score), _means_step(found, stretch, score)),
        constants=error_constants(course.instrument, score),
        moves=tuple(moves),
        clears_when="",
    )


def _steps(place: Place, score: str) -> tuple[Step, ...]:
    """The change with its error, that it is sure, and that the other score has not moved the wrong way."""
    grown, grown_error, fallen, fallen_error = place.since_start
    news = constants().news
    changes = {"growth": (grown, grown_error), "warning": (fallen, fallen_error)}
    mean, error = changes[score]
    other, other_error = changes[OTHER[score]]
    turned = SIGNS[score] * mean
    sure = f"{two(mean)} > {words.exact(news.sure)} × {two(error)}"
    against = f"{two(-other)} ≤ {words.exact(news.against)} × {two(other_error)}"
    return (
        Step(texts.NEWS_SINCE[score], f"{two(turned)} ± {two(error)}", round(turned, 4)),
        Step(texts.NEWS_SURE[score], sure, True),
        Step(texts.NEWS_AGAINST[OTHER[score]], against, True),
    )


def _means_step(found: Followable, stretch: tuple[int, ...], score: str) -> Step:
    first, last, error = means(found, stretch, score)
    high, low = (last, first) if SIGNS[score] > 0 else (first, last)
    return Step(tr(texts.NEWS_MEANS), f"{words.exact(high)} − {words.exact(low)} > {words.exact(error)}", True)


def _rule_constants() -> tuple[Constant, ...]:
    news = constants().news
    numbers = {"sure": news.sure, "least": news.least, "against": news.against}
    return tuple(
        Constant(texts.NEWS_CONSTANTS[name], value, "rule", "docs/signal.md") for name, value in numbers.items()
    )
