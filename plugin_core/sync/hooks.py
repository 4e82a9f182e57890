"""Calls the `prepare_*` hooks and tells the past participles, each plugin inside its own guard (F101, F102)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, NoReturn, TypeVar

from ..contracts import HookContext, Refusal
from ..errors import PluginError
from ..handed import Misshapen, as_declared
from ..manager import Plugins
from ..words import tr

log = logging.getLogger(__name__)
R = TypeVar("R")


def prepare(
    plugins: Plugins, hook: str, name: str, records: Sequence[R], kind: type[R], context: HookContext
) -> tuple[list[R | Refusal], dict[int, str]]:
    """Runs a `prepare_*` hook over a page.

    :param name: the hook's argument that takes the records.
    :returns: as many results as records, and by index which plugin refused.
    :raises PluginError: a plugin raised or gave back another number or another kind of thing; nothing of the page is
        committed.
    """
    current: list[R | Refusal] = list(records)
    refused: dict[int, str] = {}
    for plugin, call in plugins.implementations(hook):
        open_indexes = [i for i, record in enumerate(current) if not isinstance(record, Refusal)]
        handed = tuple(closed(current[i]) for i in open_indexes)
        if not handed:
            break
        answer = _guarded(plugins, plugin, hook, call, {name: handed, "context": context})
        if answer is None:
            continue
        given = _as_declared(answer, handed, kind)
        if given is None:
            raise PluginError(
                tr(
                    "The plugin {plugin} was handed {handed} records in {hook} and gave back {answer}, or records of "
                    "another kind. Nothing of this page was stored. Update it, or take it off the list of allowed "
                    "plugins.",
                    plugin=plugins.label(plugin),
                    handed=len(handed),
                    hook=hook,
                    answer=len(answer),
                )
            )
        for index, item in zip(open_indexes, given, strict=True):
            current[index] = item
            if isinstance(item, Refusal):
                refused[index] = plugins.label(plugin)
    return current, refused


def _as_declared(answer: Sequence[Any], handed: Sequence[R], kind: type[R]) -> list[R | Refusal] | None:
    """What a plugin gave for what it was handed; None where that is another number or another kind of thing."""
    if len(answer) != len(handed):
        return None
    try:
        return [
            item if item is was or isinstance(item, Refusal) else as_declared(item, kind)
            for item, was in zip(answer, handed, strict=True)
        ]
    except Misshapen:
        return None


class ReadOnly(dict[Any, Any]):
    """A dict that refuses to be changed: what plugins are handed (F102)."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("records are read-only to plugins; give back a changed copy (dataclasses.replace)")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def closed(value: Any) -> Any:
    """The value with every mapping inside it closed to changes; what holds none is the same object."""
    if isinstance(value, dict):
        return ReadOnly({key: closed(inner) for key, inner in value.items()})
    if isinstance(value, tuple):
        inner = tuple(closed(one) for one in value)
        return value if all(new is old for new, old in zip(inner, value, strict=True)) else inner
    if is_dataclass(value) and not isinstance(value, type):
        old = {field.name: getattr(value, field.name) for field in fields(value)}
        new = {name: changed for name, one in old.items() if (changed := closed(one)) is not one}
        return replace(value, **new) if new else value
    return value


def _guarded(
    plugins: Plugins, plugin: str, hook: str, call: Callable[..., Any], arguments: dict[str, Any]
) -> Sequence[Any] | None:
    try:
        answer = call(**arguments)
        return None if answer is None else list(answer)
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises is named; its text may hold client data (S24)
        log.warning("plugin %s raised %s in %s", plugin, type(error).__name__, hook)
        raise PluginError(
            tr(
                "The plugin {plugin} failed in {hook} ({fault}). Nothing of this page was stored. Update it, or take "
                "it off the list of allowed plugins.",
                plugin=plugins.label(plugin),
                hook=hook,
                fault=type(error).__name__,
            )
        ) from None


def anybody(plugins: Plugins, *names: str) -> bool:
    """Whether some plugin has one of these hooks."""
    return any(True for name in names for _ in plugins.implementations(name))


def tell(plugins: Plugins, hook: str, **arguments: Any) -> list[str]:
    """Tells every plugin; gives one sentence for each that raised. It cannot undo what is committed."""
    problems = []
    told = list(plugins.implementations(hook))
    if told:
        arguments = {name: closed(value) for name, value in arguments.items()}
    for plugin, call in told:
        try:
            call(**arguments)
        except Exception as error:  # noqa: BLE001 - told after the commit: nothing to undo, but said (F101)
            log.warning("plugin %s raised %s in %s", plugin, type(error).__name__, hook)
            problems.append(
                tr(
                    "The plugin {plugin} failed in {hook} ({fault}).",
                    plugin=plugins.label(plugin),
                    hook=hook,
                    fault=type(error).__name__,
                )
            )
    return problems
