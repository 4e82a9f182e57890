"""Finds, allows and loads plugins: one `Plugins` per application, nothing global.

A package is read by its metadata first; only distributions that the settings allow are ever imported, since importing
one runs its code (S42). Handrail's own distribution is allowed from the start. One plugin that cannot be loaded costs
the others nothing (F104); whether it was needed is decided where it is used.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import metadata
from typing import Any, Generic, TypeVar

import pluggy

from . import PROJECT, hookspecs
from .errors import PluginError
from .words import tr

OWN = "handrail"
T = TypeVar("T")
D = TypeVar("D")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One entry point of the group `handrail`, installed on this machine."""

    name: str
    distribution: str
    version: str
    allowed: bool
    loaded: bool
    hooks: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.name} ({self.distribution} {self.version})"


@dataclass(frozen=True, slots=True)
class Registered(Generic[D]):
    """A descriptor with the plugin that gave it."""

    descriptor: D
    plugin: str


class Plugins:
    """The plugins of one application.

    :param allowed: names of distributions that may be imported, besides Handrail's own; `name==version` pins one.
    :param entry_points: where to look; the installed packages unless a test says otherwise.
    """

    def __init__(
        self,
        allowed: Sequence[str] = (),
        entry_points: Callable[[], Sequence[metadata.EntryPoint]] | None = None,
    ) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._allowed = dict(_pin(entry) for entry in allowed) | {OWN: None}
        self._find = entry_points or (lambda: tuple(metadata.entry_points(group=PROJECT)))
        self._infos: list[PluginInfo] = []
        self._loaded = False

    # --- loading -------------------------------------------------------------------------------------------------

    def load(self) -> Plugins:
        """Imports and registers every allowed plugin, once. Problems are kept in `infos()`; nothing is raised here."""
        if self._loaded:
            return self
        self._loaded = True
        found = sorted(self._find(), key=_own_first)
        taken: dict[str, PluginInfo] = {}
        for point in found:
            info = self._load_one(point, taken)
            self._infos.append(info)
            if info.allowed:
                taken.setdefault(point.name, info)
        self._infos += self._not_installed()
        _record("; ".join(info.label for info in self._infos if info.loaded))
        return self

    def _not_installed(self) -> list[PluginInfo]:
        """What the settings name and nobody installed: it must not shrink away quietly."""
        here = {_normal(info.distribution) for info in self._infos}
        problem = tr("the settings allow it, but it is not installed here or brings no plugin")
        return [
            PluginInfo(name, name, version or "-", allowed=True, loaded=False, problem=problem)
            for name, version in self._allowed.items()
            if name not in here and name != OWN
        ]

    def _load_one(self, point: metadata.EntryPoint, taken: dict[str, PluginInfo]) -> PluginInfo:
        distribution, version = _distribution(point)
        if not self._is_allowed(distribution, version):
            pinned = self._allowed.get(_normal(distribution))
            problem = tr("the settings allow only its version {pinned}", pinned=pinned) if pinned else None
            return PluginInfo(point.name, distribution, version, allowed=False, loaded=False, problem=problem)
        if point.name in taken:  # S43: a second package under one name is refused, naming both
            problem = tr(
                "its name {name!r} is taken by {label}; neither replaces the other",
                name=point.name,
                label=taken[point.name].label,
            )
            return PluginInfo(point.name, distribution, version, allowed=True, loaded=False, problem=problem)
        try:
            module = point.load()
            hooks = self._register(module, point.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a foreign module may do anything at import (F104)
            log.warning("plugin %s of %s could not be loaded: %s", point.name, distribution, type(error).__name__)
            problem = tr("it could not be loaded: {error}", error=_safe(error))
            return PluginInfo(point.name, distribution, version, allowed=True, loaded=False, problem=problem)
        return PluginInfo(point.name, distribution, version, allowed=True, loaded=True, hooks=hooks)

    def _register(self, module: object, name: str) -> tuple[str, ...]:
        """Registers a module; a hook that Handrail does not have (a typing slip) undoes it again."""
        self._manager.register(module, name=name)
        callers = self._manager.get_hookcallers(module) or ()
        try:
            self._manager.check_pending()
            for caller in callers:
                if any(impl.plugin is module and (impl.wrapper or impl.hookwrapper) for impl in caller.get_hookimpls()):
                    raise pluggy.PluginValidationError(module, f"{caller.name} must not be a wrapper")
        except pluggy.PluginValidationError:
            self._manager.unregister(name=name)
            raise
        return tuple(sorted(caller.name for caller in callers))

    def add(self, module: object, name: str) -> None:
        """Registers a plugin that the embedding application holds itself (tests, a host).

        :raises PluginError: a hook name or argument that Handrail does not have.
        """
        self.load()
        try:
            hooks = self._register(module, name)
        except pluggy.PluginValidationError as error:
            raise PluginError(tr("The plugin {name} cannot be used: {error}.", name=name, error=_safe(error))) from None
        except ValueError:
            raise PluginError(
                tr("The plugin {name} cannot be used: it, or one of its name, is here already.", name=name)
            ) from None
        self._infos.append(PluginInfo(name, "(application)", "-", allowed=True, loaded=True, hooks=hooks))

    def _is_allowed(self, distribution: str, version: str) -> bool:
        key = _normal(distribution)
        return key in self._allowed and self._allowed[key] in (None, version)

    # --- what was found ------------------------------------------------------------------------------------------

    def infos(self) -> tuple[PluginInfo, ...]:
        """Everything installed in the group, whether allowed and loaded or not."""
        self.load()
        return tuple(self._infos)

    def label(self, name: str) -> str:
        """How messages name the plugin registered under `name`."""
        return next((info.label for info in self.infos() if info.name == name and info.loaded), name)

    def is_own(self, name: str) -> bool:
        """Whether the plugin registered under `name` is of Handrail's own distribution."""
        return any(_normal(info.distribution) == OWN for info in self.infos() if info.name == name and info.loaded)

    def problems(self) -> tuple[str, ...]:
        """One sentence for each plugin that the settings name and that is not working."""
        return tuple(f"Plugin {info.label}: {info.problem}." for info in self.infos() if info.problem)

    def _fail(self, plugin: str, problem: str) -> None:
        """Keeps what went wrong with a plugin after it was loaded."""
        self._infos = [
            replace(info, problem=problem) if info.name == plugin and info.loaded else info for info in self._infos
        ]

    # --- calling -------------------------------------------------------------------------------------------------

    def implementations(self, hook: str) -> Iterator[tuple[str, Callable[..., Any]]]:
        """(plugin name, function) of one hook, so that each can be called in its own guard.

        First registered first; `tryfirst` ones before all others, `trylast` ones after them.
        """
        self.load()
        caller = getattr(self._manager.hook, hook)
        for impl in sorted(caller.get_hookimpls(), key=lambda impl: (impl.trylast, not impl.tryfirst)):
            wanted = [*impl.argnames, *(name for name in impl.kwargnames if name in caller.spec.argnames)]
            yield impl.plugin_name, _by_keyword(impl.function, wanted)

    def descriptors(self, hook: str, kind: type[T], key: Callable[[T], Any], what: str) -> dict[Any, Registered[T]]:
        """All descriptors of a `register_*` hook by key. A plugin that raises in it, or gives something else than
        `kind`, is left out and named in `problems()`; the others are there (F101).

        :raises PluginError: two claim one key; the message names both sides.
        """
        found: dict[Any, Registered[T]] = {}
        for plugin, call in self.implementations(hook):
            for descriptor in self._call(plugin, hook, call, kind):
                name = key(descriptor)
                if name in found:
                    shown = "/".join(map(str, name)) if isinstance(name, tuple) else name
                    raise PluginError(
                        tr(
                            "Two plugins bring the {what} {shown}: {plugin} and {plugin2}. Take one of them off the "
                            "list of allowed plugins.",
                            what=what,
                            shown=shown,
                            plugin=self.label(found[name].plugin),
                            plugin2=self.label(plugin),
                        )
                    )
                found[name] = Registered(descriptor, plugin)
        return found

    def _call(self, plugin: str, hook: str, call: Callable[..., Any], kind: type[T]) -> Sequence[T]:
        try:
            given = list(call() or ())
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is named, and costs only its own part
            log.warning("plugin %s raised %s in %s", plugin, type(error).__name__, hook)
            self._fail(plugin, tr("it failed in {hook} ({fault})", hook=hook, fault=type(error).__name__))
            return ()
        if not all(isinstance(one, kind) for one in given):
            self._fail(
                plugin, tr("what it gives in {hook} is not all of the kind {name}", hook=hook, name=kind.__name__)
            )
            return ()
        return given


@cache
def _record(labels: str) -> None:
    """Notes what is at work at the start of a process (S45); a worker loads the same again for each turn."""
    log.info("plugins at work: %s", labels)


def _own_first(point: metadata.EntryPoint) -> tuple[bool, str, str]:
    """Handrail's own before all others; the rest in an order that does not hang on the disk's."""
    distribution, _ = _distribution(point)
    return (_normal(distribution) != OWN, point.name, _normal(distribution))


def _by_keyword(function: Callable[..., Any], wanted: Sequence[str]) -> Callable[..., Any]:
    def call(**arguments: Any) -> Any:
        return function(**{name: arguments[name] for name in wanted})

    return call


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    """Name and version of the package that a plugin came with."""
    dist = getattr(point, "dist", None)
    return ("unknown", "0") if dist is None else _named(dist)


@lru_cache(64)
def _named(dist: metadata.Distribution) -> tuple[str, str]:
    """As the package's own metadata has them: a text that is parsed whole, and asked of for each of its plugins."""
    return dist.name, dist.version


def _pin(entry: str) -> tuple[str, str | None]:
    name, _, version = entry.partition("==")
    return _normal(name.strip()), version.strip() or None


def _normal(name: str) -> str:
    """Names of distributions compare without regard to case and to runs of -, _ and . (PyPA's name normalisation)."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def _safe(error: BaseException) -> str:
    """The kind of error and, for errors about code, its text; a plugin's own text is not trusted with client data."""
    if isinstance(error, (ImportError, pluggy.PluginValidationError, SyntaxError)):
        return inspect.cleandoc(str(error)).splitlines()[-1]
    return type(error).__name__
