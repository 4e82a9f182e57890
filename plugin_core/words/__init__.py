"""What people read, in their language: message catalogues behind four functions.

tr("No form is set aside.")                                    one text
tr("On hold until {day}.", day=...)                            a whole sentence with named fields
trn("{count} form", "{count} forms", 3)                        a number with its noun; {count} is filled in
trp("month", "May")                                            a short text that needs to be told apart
mark("Reliance and outlook answers have gone up")              a constant, translated where it is shown: tr(TITLE)
Texts({FlagState.RAISED: mark("stands")})                      a table of constants, translated when looked up

The English text is the key: a text without translation, or one that a plugin brings, is shown as it is. Catalogues are
gettext files in this folder (docs/words.md), read when a language is first spoken; English reads none. Which language
is spoken is a context variable: `with speaking("de"):` holds inside that block, in that thread or task alone, so that
two practices in one process never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from ..errors import SettingsError

if TYPE_CHECKING:
    from gettext import GNUTranslations

ENGLISH = "en"

_language: ContextVar[str] = ContextVar("handrail_language", default=ENGLISH)

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
K = TypeVar("K")


def mark(text: str) -> str:
    """Marks a constant for the catalogue and gives it back as it is; `tr` translates it where it is shown."""
    return text


def markp(_context: str, text: str) -> str:
    """As `mark`, for a constant that is shown with `trp` under the same context."""
    return text


def markn(one: str, more: str) -> tuple[str, str]:
    """As `mark`, for a text by number that is shown with `plural`."""
    return one, more


def tr(text: str, /, **fields: object) -> str:
    """The text in the language that is spoken, its fields filled in.

    :raises KeyError: a field of the text is not among `fields`.
    """
    language = _language.get()
    if language != ENGLISH and text:
        text = _catalogue(language).gettext(text)
    return text.format_map(fields) if fields else text


def trp(context: str, text: str, /, **fields: object) -> str:
    """As `tr`, for a text whose translation hangs on where it stands: May the month, not the verb."""
    language = _language.get()
    if language != ENGLISH:
        text = _catalogue(language).pgettext(context, text)
    return text.format_map(fields) if fields else text


def trn(one: str, more: str, number: int, /, **fields: object) -> str:
    """As `tr`, by number, in as many forms as the language has; `{count}` is the number as people write it."""
    from .spelling import whole

    return plural(one, more, number).format_map({"count": whole(number), **fields})


def plural(one: str, more: str, number: int) -> str:
    """The text for a number, its fields not filled in yet."""
    language = _language.get()
    if language == ENGLISH:
        return one if number == 1 else more
    return _catalogue(language).ngettext(one, more, number)


class Texts(Mapping[K, str]):
    """A table of marked texts by key: looking one up gives it in the language that is spoken.

    `source` is the table as it was written, for what is kept rather than shown.
    """

    __slots__ = ("source",)

    def __init__(self, source: Mapping[K, str]) -> None:
        self.source = source

    def __getitem__(self, key: K) -> str:
        return tr(self.source[key])

    def __iter__(self) -> Iterator[K]:
        return iter(self.source)

    def __len__(self) -> int:
        return len(self.source)


def languages() -> tuple[str, ...]:
    """The languages that there are, English first."""
    return (ENGLISH, *_others())


@cache
def _others() -> tuple[str, ...]:
    from importlib.resources import files  # costs milliseconds that English does not need

    names = (entry.name for entry in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".mo") for name in names if name.endswith(".mo")))


def language_of(wanted: str) -> str:
    """The catalogue for a language as settings or clients name it: de for de-CH.

    :raises SettingsError: there is none; the message lists what there is.
    """
    for name in (wanted, wanted.partition("-")[0]):
        if name == ENGLISH or name in _others():
            return name
    there = ", ".join(languages())
    raise SettingsError(
        tr("There is no language {wanted!r} here. Set language to one of: {there}.", wanted=wanted, there=there)
    )


def spoken() -> str:
    """The language that is spoken here and now."""
    return _language.get()


def speak(language: str) -> None:
    """Speaks a language from here on, for a process that serves one practice (the command).

    :raises SettingsError: there is no such language.
    """
    _language.set(language_of(language))


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speaks a language inside the block; afterwards the one that was spoken before.

    :raises SettingsError: there is no such language.
    """
    token = _language.set(language_of(language))
    try:
        yield
    finally:
        _language.reset(token)


def in_practice_language(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """For a method that makes texts: it speaks the language of its practice, whoever calls it.

    The practice is found at `self.settings` or `self.engine.settings`. Not for generators.
    """
    from functools import wraps

    @wraps(method)
    def spoken_method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        owner: Any = self
        settings = owner.settings if hasattr(owner, "settings") else owner.engine.settings
        with speaking(settings.language):
            return method(self, *args, **kwargs)

    return spoken_method


@cache
def _catalogue(language: str) -> GNUTranslations:
    """The compiled catalogue of a language, read once."""
    from gettext import GNUTranslations
    from importlib.resources import files

    with files(__package__).joinpath(f"{language}.mo").open("rb") as file:
        return GNUTranslations(file)
