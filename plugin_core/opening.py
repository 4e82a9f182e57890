"""Opens a platform's adapter: checks its settings by its own schema, and hands it secrets by reference only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError

from ..schemas.problems import problems
from .contracts import Adapter, AdapterContext, AdapterSpec
from .errors import SettingsError
from .mapping.files import load_all
from .paths import shared_folder
from .store import keys
from .words import tr
from .words.kept import told

if TYPE_CHECKING:
    from .engine import Engine
    from .settings import Connection


def opened(engine: Engine, spec: AdapterSpec, connection: Connection) -> Adapter:
    """The adapter of `spec` with these settings.

    :raises SettingsError: a setting is missing or wrong; the message names it.
    """
    return spec.open(context_of(engine, spec, connection))


def context_of(engine: Engine, spec: AdapterSpec, connection: Connection) -> AdapterContext:
    """What the adapter is handed; also for signing a person in and for webhooks, which need no open adapter.

    :raises SettingsError: a setting is missing or wrong; the message names it.
    """
    from .engine import version

    return AdapterContext(
        practice=engine.settings.practice,
        settings=_checked(spec, connection),
        secret=lambda name: keys.read(place_of(engine, connection, name)).reveal(),
        warn=engine.warnings.append,
        now=time.time,
        sleep=engine.sleep,
        user_agent=f"Handrail/{version()}",
        zone=engine.settings.zone,
        keep=lambda name, value: keys.write(place_of(engine, connection, name), value),
        folder=shared_folder(),
        own=engine.settings.folder,
        hash=lambda text: engine.store.sealer.hash("adapter", spec.name, text),
        tally=None if engine.hosted is None else engine.hosted.tally,
        mapped=lambda: {
            one.form: (one.instrument, one.instrument_version)
            for one in load_all(engine.settings.mappings, connection.platform)
        },
    )


def _checked(spec: AdapterSpec, connection: Connection) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = spec.settings()().load({**connection.settings, **connection.secrets})
    except ValidationError as error:
        lines = "; ".join(line.rstrip(".") for line in problems(error, _said))
        raise SettingsError(
            tr(
                "The settings of {title} are wrong: {lines}. Mend them under [platform] in the settings file, or "
                "run: handrail connect {name} --set NAME=VALUE (for a secret: --secret NAME=file:PATH)",
                title=spec.title,
                lines=lines,
                name=spec.name,
            )
        ) from None
    return loaded


def _said(message: str) -> str:
    return tr("there is no setting of that name") if message == "Unknown field." else told(message)


def place_of(engine: Engine, connection: Connection, name: str) -> str:
    """The reference of a platform's secret, a relative file path taken from the settings' folder.

    :raises SettingsError: nothing is said of where it lies.
    """
    if name not in connection.secrets:
        raise SettingsError(
            tr(
                "The platform needs the secret {name}. Run: handrail connect {platform}",
                name=name,
                platform=connection.platform,
            )
        )
    return engine.settings.reference(connection.secrets[name])
