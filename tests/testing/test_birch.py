"""An adapter that was written by ADDING_A_PLATFORM.md alone passes the kit: the page says what one must know."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from handrail.adapters.auth import basic
from handrail.adapters.budget import Budget, Limit
from handrail.adapters.http import Manners
from handrail.adapters.keyset import Batch, Walk
from handrail.adapters.network import base_at, rest_of
from handrail.adapters.rest import listed
from handrail.adapters.times import http_date, instant, whole_second
from handrail.plugin_core.testing import AdapterConformance, Platform

from .birch import SPEC
from .birch_double import BirchDouble

PAGE = (Path(__file__).parents[2] / "ADDING_A_PLATFORM.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
USED = (Batch, Budget, Limit, Manners, Walk, base_at, basic, http_date, instant, listed, rest_of, whole_second)
HELPERS: dict[str, Callable[..., Any]] = {helper.__name__: helper for helper in USED}


class TestBirch(AdapterConformance):
    """A feed with tokens, and one tag for all flags of a client."""

    spec = SPEC

    def platform(self) -> Platform:
        return BirchDouble()


@pytest.mark.parametrize(("number", "block"), list(enumerate(BLOCKS)))
def test_what_the_page_calls_is_there_under_that_name(number: int, block: str) -> None:
    """A vendor copies it; a parameter that is named otherwise by now costs them an afternoon."""
    for call in (node for node in ast.walk(ast.parse(dedent(block))) if isinstance(node, ast.Call)):
        made = HELPERS.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if made is not None:
            given = {word.arg: None for word in call.keywords if word.arg}
            inspect.signature(made).bind(*call.args, **given)
