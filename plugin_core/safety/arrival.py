"""A safety answer becomes a flag, and its notices are queued, in the transaction that stores the form.

Nothing stands between: not the other rules, not a plugin, not the end of the pull. The rules' own pass reads the same
courses again later (a form moved to another client, a changed instrument) and brings the same flags to the same state.
What a person has closed stays closed, unless the answer becomes higher than the one that the person saw, or one that
was taken back comes again: then it is news, and people are told anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ...schemas.records import Course, Evidence, Flag, Instrument, ScoredForm
from ...schemas.vocab import FlagState
from ..contracts import RuleSpec
from ..registry import Registry
from ..rules.life import SAFETY, Episode, episodes
from ..rules.safety import URGENT, judge_safety, taken_back, with_note, worse
from ..store import Tx, flags, forms, notices
from ..store.seal import Sealer
from ..store.sql import to_ms
from ..words import trn
from .channel import OLDER


@dataclass(slots=True)
class Settled:
    """What changed: flags that rose, flags that rose anew, and how many rest on other answers now."""

    new: list[Flag] = field(default_factory=list)
    again: list[Flag] = field(default_factory=list)
    renewed: int = 0


@dataclass(slots=True)
class Found:
    """Safety flags of forms on their way into the store; `problems`: rules that failed, with the kind of failure."""

    flags: list[Flag] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """The problems, one sentence for each rule and kind of failure."""
        return [
            trn(
                "The safety rule {rule} failed ({kind}) on {count} form: look at it on the platform, and update the "
                "plugin that brought the rule.",
                "The safety rule {rule} failed ({kind}) on {count} forms: look at them on the platform, and update the "
                "plugin that brought the rule.",
                count,
                rule=rule,
                kind=kind,
            )
            for (rule, kind), count in Counter(self.problems).items()
        ]


class Watch:
    """Looks at single forms as they arrive.

    :param registry: whose safety rules are asked; each reads a course of the one form.
    """

    def __init__(self, registry: Registry, sealer: Sealer) -> None:
        self._sealer = sealer
        self._rules: Mapping[str, list[RuleSpec]] = {
            instrument: [rule for rule in registry.rules_for(instrument) if rule.kind == SAFETY]
            for instrument, _ in registry.instruments
        }

    def look(self, client: str, key_form: str, instrument: Instrument, form: ScoredForm, found: Found) -> None:
        """Adds the safety flags of one form to `found`. A rule that fails costs the others nothing.

        :param client: our key of the client.
        :param key_form: our key of the form.
        """
        plain = not instrument.safety and URGENT not in form.tags
        for rule in self._rules.get(instrument.id, ()):
            if plain and rule.judge is judge_safety:
                continue  # most forms, without the cost of a record
            form = form if form.id == key_form else replace(form, id=key_form)
            try:
                for episode in episodes(rule, Course(client, instrument, (form,))):
                    key = self._sealer.hash("flag", client, rule.id, form.id)
                    found.flags.append(_flag(key, client, rule, form, self._evidence(episode, found), episode.score))
            except Exception as error:  # noqa: BLE001 - a vendor's rule may raise anything; it is named, the rest goes on
                found.problems.append((rule.id, type(error).__name__))

    def _evidence(self, episode: Episode, found: Found) -> Evidence:
        """Its reasons. Somebody is told of what a rule found even where it cannot say why."""
        try:
            return episode.evidence()
        except Exception as error:  # noqa: BLE001 - as above
            found.problems.append((episode.rule.id, type(error).__name__))
            return episode.bare_evidence()


def _flag(key: str, client: str, rule: RuleSpec, form: ScoredForm, evidence: Evidence, score: float | None) -> Flag:
    return Flag(
        key=key,
        client=client,
        rule=rule.id,
        rule_version=rule.version,
        state=FlagState.RAISED,
        opened=form.authored,
        opening_form=form.id,
        evidence=evidence,
        score=score,
    )


def settle(tx: Tx, wanted: Iterable[Flag], as_of: datetime) -> Settled:
    """Brings the stored safety flags to what the forms say, and queues notices of what is news.

    :param wanted: the flags that the safety rules call for, as newly raised.
    :param as_of: when they are first seen here.
    """
    wanted = list(wanted)
    done = Settled()
    if not wanted:
        return done
    # By what it is of, not by its key: one that came with a merged client record keeps the key under which it rose.
    have = {_subject(flag): flag for flag in flags.of_kind(tx, SAFETY, {flag.client for flag in wanted})}
    renewed: dict[str, tuple[Evidence, float | None]] = {}
    for flag in {flag.key: flag for flag in wanted}.values():
        if (old := have.get(_subject(flag))) is None:
            done.new.append(flag)
        elif worse(old.evidence, flag.evidence):
            done.again.append(replace(flag, key=old.key))
        elif flag.evidence != old.evidence:
            renewed[old.key] = (flag.evidence, flag.score)
    done.renewed = len(renewed)
    flags.set_evidence(tx, renewed)
    flags.save(tx, [(flag, SAFETY) for flag in (*done.new, *done.again)])
    now = to_ms(as_of)
    old_news = [flag.key for flag in done.new if as_of - flag.opened > OLDER]
    notices.queue(tx, old_news, now, older=True)
    notices.queue(tx, [flag.key for flag in (*done.new, *done.again) if flag.key not in set(old_news)], now)
    return done


def _subject(flag: Flag) -> tuple[str, str, str]:
    return (flag.client, flag.rule, flag.opening_form)


def note_taken_back(tx: Tx, keys: Mapping[str, str]) -> int:
    """Writes on safety flags that no form calls for any more what has become of the answer; people close them.

    A form that was never stored (not finished, refused by a plugin) is no form that was taken back.

    :param keys: key of the flag -> key of its client.
    """
    if not keys:
        return 0
    told = [flag for flag in flags.of_kind(tx, SAFETY, set(keys.values())) if flag.key in keys]
    silent = [flag for flag in told if not taken_back(flag.evidence)]
    stored = forms.known(tx, [flag.opening_form for flag in silent])
    noted = [flag for flag in silent if flag.opening_form in stored]
    flags.set_evidence(tx, {flag.key: (with_note(flag.evidence), flag.score) for flag in noted})
    return len(noted)
