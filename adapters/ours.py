"""Which form of the platform a client is asked to fill in, where platforms name forms their own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..plugin_core.errors import Unsupported
from ..plugin_core.words import ENGLISH, tr
from ..schemas.records import Instrument

Mapped = Callable[[], Mapping[str, tuple[str, str]]]


def version_name(instrument: Instrument) -> str:
    """The name of one version of a form in one language, as `gr18/1` or `gr18/1-de`."""
    language = "" if instrument.language == ENGLISH else f"-{instrument.language}"
    return f"{instrument.id}/{instrument.version}{language}"


def form_for(
    instrument: Instrument, own: str | None, mapped: Mapped | None, there: Mapping[str, str], site: str
) -> str:
    """The form by which a client is asked: our own where it is published, else the one that a person mapped to it.

    :param own: the platform's name of our published form, if it has any.
    :param mapped: the forms that a person has confirmed, see `AdapterContext.mapped`.
    :param there: the platform's forms, id by name.
    :raises Unsupported: there is none, or more than one.
    """
    if own is not None and own in there:
        return own
    fitting = [form for form, one in (mapped() if mapped else {}).items() if one == instrument.key and form in there]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Unsupported(
            tr(
                "{site} has several forms that are read as {id}/{version}. Publish Handrail's own, so that it is plain "
                "which one clients get: handrail publish {id}",
                site=site,
                id=instrument.id,
                version=instrument.version,
            )
        )
    raise Unsupported(
        tr(
            "{site} does not have the form {id}/{version}, so nobody can be asked to fill it in there. Run: "
            "handrail publish {id}",
            site=site,
            id=instrument.id,
            version=instrument.version,
        )
    )
