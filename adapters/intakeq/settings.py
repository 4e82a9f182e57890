"""What a practice fills in to connect IntakeQ or PracticeQ, and the connection made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from marshmallow import fields, validate

from ...plugin_core.contracts import AdapterContext
from ...plugin_core.errors import PlatformError
from ...plugin_core.words import mark, tr
from ...schemas.records import Json
from ..auth import Fixed
from ..budget import Budget, Limit
from ..http import Manners
from ..network import NetworkSettings, base_at, rest_of
from ..rest import Answer, Rest, listed
from ..times import http_date
from ..waiting import retry_after

KEY_HEADER = "X-Auth-Key"
MINUTE, DAY = 60.0, 86_400.0
UNSAID_WAIT = 60.0
PAGE_ROWS = 100


def _help(text: str, **more: Any) -> dict[str, Any]:
    return {"help": text, **more}


class IntakeqSettings(NetworkSettings):
    """Settings of the IntakeQ adapter."""

    api_key = fields.String(
        required=True,
        metadata=_help(
            mark(
                "The API key. Only the account's owner sees it: More > Settings > Integrations > Developer API. Enable "
                "API access there first."
            ),
            secret=True,
        ),
    )
    base_url = fields.String(
        load_default="https://intakeq.com/api/v1",
        validate=validate.Length(1, 2000),
        metadata=_help(mark("IntakeQ's address; another one only for tests.")),
    )
    minute_limit = fields.Integer(
        load_default=10,
        strict=True,
        validate=validate.Range(1, 10_000),
        metadata=_help(mark("How many requests a minute the practice's plan allows.")),
    )
    daily_limit = fields.Integer(
        load_default=500,
        strict=True,
        validate=validate.Range(20, 1_000_000),
        metadata=_help(mark("How many requests a day the practice's plan allows.")),
    )
    kept_for_prompts = fields.Integer(
        load_default=60,
        strict=True,
        validate=validate.Range(0, 10_000),
        metadata=_help(mark("How many of them reading leaves for prompts, so that one can always be taken back.")),
    )
    tag = fields.String(
        load_default="Handrail: look before session",
        validate=validate.Length(3, 60),
        metadata=_help(mark("The tag's text. Keep it neutral: everybody in the practice reads it.")),
    )
    webhook_token = fields.String(
        metadata=_help(
            mark(
                "A long random text that you put at the end of the webhook's address (More > Settings > Integrations > "
                "Webhooks). IntakeQ signs nothing: whoever knows it can make Handrail look for news."
            ),
            secret=True,
        )
    )


def connection(context: AdapterContext) -> tuple[Rest, Budget, Limit]:
    """The connection, its budget, and the limit of a day: that of the account, whoever uses its key."""
    settings = context.settings
    base = base_at(settings["base_url"], settings)
    minute, day = settings["minute_limit"], settings["daily_limit"]
    daily = Limit(day, DAY, keep=min(settings["kept_for_prompts"], day // 2))
    budget = Budget(
        name=f"intakeq|{base.text}|{context.secret('api_key').strip()}",
        limits=(Limit(minute, MINUTE), daily),
        now=context.now,
        sleep=context.sleep,
        site=base.site,
        folder=context.folder,
        tally=context.tally,
    )
    manners = Manners(credential=KEY_HEADER, asked=_asked, budget=budget)
    return rest_of(context, base, Fixed(lambda: context.secret("api_key").strip()), manners), budget, daily


def _asked(headers: Mapping[str, str]) -> float:
    """IntakeQ documents no header with a 429; its limit is by the minute."""
    told = retry_after(headers)
    return UNSAID_WAIT if told is None else told


def pages(rest: Rest, path: str, query: Mapping[str, str | int], purpose: str) -> Iterator[tuple[list[Json], Answer]]:
    """The pages of a list: bare arrays of at most 100 rows, the last one shorter.

    :raises PlatformError: the same page comes again, as where a page's number is ignored (F18).
    """
    before: list[Json] = []
    for number in count(1):
        answer = rest.get(path, {**query, "page": number}, purpose=purpose)
        rows = listed(answer, rest.base.site)
        if len(rows) >= PAGE_ROWS and rows == before:
            raise PlatformError(
                tr("{site} leads from page to page in a circle, so its list cannot be read.", site=rest.base.site)
            )
        yield rows, answer
        if len(rows) < PAGE_ROWS:
            return
        before = rows


def rows_at(rest: Rest, path: str, query: Mapping[str, str | int], purpose: str) -> tuple[list[Json], datetime | None]:
    """All rows of a list, and the platform's clock when it was begun. A list of several pages is read twice: a row that
    moves meanwhile takes its neighbours over a page's edge (F16)."""
    found: dict[str, Json] = {}
    clocks: list[datetime | None] = []
    for again in range(2):
        number = 0
        for some, answer in pages(rest, path, query, purpose):
            number += 1
            clocks.append(http_date(answer.headers.get("Date")))
            found.update({str(row.get("Id") or row.get("ClientId") or row.get("ClientNumber")): row for row in some})
        if again or number == 1:
            break
    return list(found.values()), clocks[0]


def rows(rest: Rest, path: str, query: Mapping[str, str | int], purpose: str) -> list[Json]:
    """All rows of a list."""
    return rows_at(rest, path, query, purpose)[0]
