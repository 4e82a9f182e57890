"""Everything that plugins registered, by key: instruments, scorers, rules, platforms, collectors.

Built once per application from `Plugins`; each kind is asked for when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from ..schemas.records import Course, Instrument
from .contracts import AdapterSpec, CollectorSpec, RuleSpec, ScorerSpec
from .errors import PluginError, SettingsError, UsageError
from .handed import checked
from .manager import Plugins, Registered
from .scoring import Scorer
from .signal.local import Known, load, merged, used_with
from .words import tr


class Registry:
    """What can be asked, scored, judged and connected in this application.

    :param plugins: where it all comes from.
    :param budget: how sparing model rules are, see `rules_at`.
    :param prompts: ids of the rules whose prompts may be shown and pushed; none named, all may. None: all but those
        that the bench decided against (`rules.WAITING`).
    :param folder: where the practice's own constants of measurement error lie, if it has any.
    A plugin that raises is left out and named in `plugins.problems()`.

    :raises PluginError: from any property, when two plugins claim one name.
    """

    def __init__(
        self,
        plugins: Plugins,
        budget: int | None = None,
        folder: Path | None = None,
        prompts: Sequence[str] | None = (),
    ) -> None:
        self.plugins = plugins
        self.budget = budget
        self._folder = folder
        self._prompts = None if prompts is None else frozenset(prompts)
        self._constants: Known = {}
        self._ordered: dict[str, list[RuleSpec]] = {}
        self._compiled: dict[tuple[str, str], Scorer] = {}

    def with_constants(self, known: Known) -> Registry:
        """The same with these constants of measurement error, before the practice has decided to keep them."""
        prompts = None if self._prompts is None else sorted(self._prompts)
        other = Registry(self.plugins, self.budget, self._folder, prompts)
        other._constants = known
        return other

    @cached_property
    def instruments(self) -> dict[tuple[str, str], Registered[Instrument]]:
        """Instruments by (id, version), with the practice's own constants where it has any."""
        found = self.plugins.descriptors("register_instruments", Instrument, lambda i: i.key, "instrument")
        own = merged({} if self._folder is None else load(self._folder), self._constants)
        if not own:
            return found
        return {key: replace(one, descriptor=used_with(one.descriptor, own)) for key, one in found.items()}

    @cached_property
    def forms(self) -> list[Instrument]:
        """Every instrument in every language in which it can be asked."""
        from .instruments.translations import every

        return [form for registered in self.instruments.values() for form in every(registered.descriptor)]

    @cached_property
    def scorers(self) -> dict[str, Registered[ScorerSpec]]:
        """Special scorers by name."""
        return self.plugins.descriptors("register_scorers", ScorerSpec, lambda s: s.name, "scorer")

    @cached_property
    def rules(self) -> dict[str, Registered[RuleSpec]]:
        """Rules by id, as sparing as the budget says.

        :raises SettingsError: the settings let a rule prompt that is not there.
        """
        found = self.plugins.descriptors("register_rules", RuleSpec, lambda r: r.id, "rule")
        if unknown := sorted((self._prompts or set()) - found.keys()):
            known = ", ".join(found)
            raise SettingsError(
                tr("The setting prompts names a rule that is not here: {rule}. There are: {known}.", rule=unknown[0],
                   known=known)
            )  # fmt: skip
        return {name: replace(one, descriptor=self._settled(self._looked_at(one))) for name, one in found.items()}

    def _looked_at(self, given: Registered[RuleSpec]) -> RuleSpec:
        return given.descriptor if self.plugins.is_own(given.plugin) else checked(given.descriptor)

    def _settled(self, rule: RuleSpec) -> RuleSpec:
        """The rule as the practice wants it."""
        rule = rule if self.budget is None else _at(rule, self.budget)
        from .rules import WAITING

        named = self._prompts
        waits = rule.id in WAITING if named is None else bool(named) and rule.id not in named
        return replace(rule, prompts=False) if waits else rule

    @property
    def titles(self) -> dict[str, str]:
        """What rules are called, by id."""
        return {name: registered.descriptor.title for name, registered in self.rules.items()}

    @cached_property
    def adapters(self) -> dict[str, Registered[AdapterSpec]]:
        """Platforms by name."""
        return self.plugins.descriptors("register_adapters", AdapterSpec, lambda a: a.name, "platform")

    @cached_property
    def collectors(self) -> dict[str, Registered[CollectorSpec]]:
        """Collectors by name."""
        return self.plugins.descriptors("register_collectors", CollectorSpec, lambda c: c.name, "collector")

    def instrument(self, instrument_id: str, version: str | None = None) -> Instrument:
        """The instrument of that id, its newest version where none is named.

        :raises UsageError: there is none; the message lists what there is.
        """
        found = [
            r.descriptor for (name, v), r in self.instruments.items() if name == instrument_id and version in (None, v)
        ]
        if not found:
            known = ", ".join(sorted({name for name, _ in self.instruments}))
            raise UsageError(
                tr(
                    "There is no instrument {instrument_id!r}. There are: {known}.",
                    instrument_id=instrument_id,
                    known=known,
                )
            )
        return max(found, key=lambda i: (len(i.version), i.version))

    def adapter(self, name: str) -> AdapterSpec:
        """The platform of that name.

        :raises PluginError: there is none; the message lists those there are and those whose plugin failed.
        """
        if name in self.adapters:
            return self.adapters[name].descriptor
        known = ", ".join(sorted(self.adapters)) or "none"
        problems = " ".join(self.plugins.problems())
        raise PluginError(
            tr(
                "There is no platform {name!r} here. There are: {known}. {problems}",
                name=name,
                known=known,
                problems=problems,
            ).strip()
        )

    def scorer(self, key: tuple[str, str]) -> Scorer:
        """The compiled scoring of an instrument."""
        if key not in self._compiled:
            specials = {name: registered.descriptor for name, registered in self.scorers.items()}
            self._compiled[key] = Scorer(self.instruments[key].descriptor, specials)
        return self._compiled[key]

    def rules_at(self, budget: int) -> list[RuleSpec]:
        """All rules, model rules among them as sparing as the budget says (2, 5 or 10)."""
        every = [registered.descriptor for registered in self.rules.values()]
        return [_at(rule, budget) for rule in every]

    def prepare(self, courses: Sequence[Course]) -> None:
        """Shows a page of courses to the rules that compute many at once. One that raises will raise again when it
        judges, and is named then."""
        for registered in self.rules.values():
            rule = registered.descriptor
            if rule.prepare is not None:
                with suppress(Exception):  # a vendor's rule; judging it says so
                    rule.prepare([course for course in courses if rule.instrument in (None, course.instrument.id)])

    def rules_for(self, instrument_id: str) -> list[RuleSpec]:
        """The rules that read courses of this instrument, those that read every instrument included, in their order."""
        if instrument_id not in self._ordered:
            every = (registered.descriptor for registered in self.rules.values())
            found = [rule for rule in every if rule.instrument in (None, instrument_id)]
            self._ordered[instrument_id] = sorted(found, key=lambda rule: (rule.order, rule.id))
        return self._ordered[instrument_id]


def _at(rule: RuleSpec, budget: int) -> RuleSpec:
    return rule if rule.at_budget is None else rule.at_budget(budget)
