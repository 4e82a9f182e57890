"""What every settings file has in common: it is TOML, its keys are known ones, and it holds no secret (S9)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from ..schemas.base import BaseSchema, Text
from .errors import SettingsError
from .words import language_of, languages, mark, tr
from .words.kept import why_of

NO_ADDRESS = mark("must be the address of a database, as sqlite:///handrail.db")
_PASSWORDS = frozenset({"password", "sslpassword"})


def read_toml(file: Path, make: str) -> dict[str, Any]:
    """What a settings file holds.

    :param make: the command that makes such a file, for the sentence that says there is none.
    :raises SettingsError: there is no file, it cannot be read, or it is not TOML; the message names the line.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(tr("There are no settings at {file}. Run: {make}", file=file, make=make)) from None
    except OSError as error:
        raise SettingsError(tr("The settings {file} cannot be read ({why}).", file=file, why=why_of(error))) from None
    except UnicodeDecodeError:
        raise SettingsError(
            tr("The settings {file} are not valid TOML: they are not in UTF-8. Save them again as UTF-8.", file=file)
        ) from None
    except (ValueError, RecursionError) as error:  # no TOML, endless digits or brackets
        found = re.search(r"at line (\d+)", str(error))
        where = tr(" (line {number})", number=found[1]) if found else ""
        if "at end of document" in str(error):
            where = tr(" (at their end)")
        raise SettingsError(
            tr(
                "The settings {file} are not valid TOML{where}. Mend that line: a quotation mark or a bracket may be "
                "missing, or a name stands there twice.",
                file=file,
                where=where,
            )
        ) from None


def check_names(
    raw: Mapping[str, Any], file: Path, top: type[BaseSchema], sections: Mapping[str, type[BaseSchema]]
) -> None:
    """A typing slip in a key gets the nearest right one.

    :raises SettingsError: a key at the top or in one of the sections is unknown.
    """
    known = {"": list(top().fields)} | {name: list(kind().fields) for name, kind in sections.items()}
    for section, names in known.items():
        part = raw if not section else raw.get(section, {})
        for key in part if isinstance(part, Mapping) else ():
            if key not in names:
                import difflib

                near = difflib.get_close_matches(key, names, 1)
                hint = (
                    tr(" Did you mean {near}?", near=near[0])
                    if near
                    else tr(" There are: {names}.", names=", ".join(names))
                )
                if section and key in known[""]:
                    hint = tr(" It belongs at the top of the file, above the first line in [brackets].")
                where = f"[{section}] " if section else ""
                raise SettingsError(
                    tr(
                        "The settings {file} have an unknown key {where}{key}.{hint}",
                        file=file,
                        where=where,
                        key=key,
                        hint=hint,
                    )
                )


def secret_reference(**more: Any) -> Text:
    """A reference to a secret; the message never repeats what stands there, which may be the secret (S9)."""
    wrong = mark("must be a reference, keyring:NAME or file:PATH, never the secret itself")
    return Text(pattern=r"(keyring|file):.+", most=1000, error_messages={"pattern": wrong, "type": wrong}, **more)


def check_store(address: str) -> None:
    """Whether the store's address is one, taken apart by what opens it, so that both see the same in it. A password in
    it would lie in the settings in clear, and end in messages (S9).

    :raises ValidationError: it is none, or holds a password.
    """
    if address.startswith("sqlite:///") and "?" not in address:
        return  # a path and nothing else, without what follows here and takes 100 ms
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ValidationError(tr(NO_ADDRESS)) from None
    if url.password is not None or not _PASSWORDS.isdisjoint(url.query):
        raise ValidationError(
            tr("must not hold a password; leave it out and put it into PostgreSQL's own password file (.pgpass)")
        )
    if url.get_backend_name() == "sqlite" and (url.host is not None or url.username is not None):
        raise ValidationError(tr(NO_ADDRESS))


def language_setting() -> Text:
    """What clinicians, clients and a host's own people read."""
    return _Language(pattern=r"[a-z]{2,3}(-[A-Z]{2})?", most=8, error_messages={"pattern": mark("must be as en or de")})


class _Language(Text):
    """A language that there are texts in."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            language_of(text)
        except SettingsError:
            raise ValidationError(tr("must be one of {languages}", languages=", ".join(languages()))) from None
        return text
