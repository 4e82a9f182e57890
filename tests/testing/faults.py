"""Acme's adapter, broken on purpose in one way for each test of the kit: what the parts share.

Each entry of BROKEN says what somebody could well have written. `make` gives the attributes of a conformance class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handrail.adapters.transport import Reply
from handrail.plugin_core.contracts import AdapterContext

from handrail_acme.adapter import AcmeAdapter  # isort: skip
from handrail_acme.spec import SPEC  # isort: skip

Made = dict[str, Any]


@dataclass(frozen=True)
class Broken:
    """A fault: which test must find it, and how to make it."""

    test: str
    fault: str
    make: Callable[[], Made]


BROKEN: list[Broken] = []


def broken(test: str, fault: str) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """Registers a maker."""

    def keep(make: Callable[[], Made]) -> Callable[[], Made]:
        BROKEN.append(Broken(f"test_{test}", fault, make))
        return make

    return keep


def with_adapter(adapter: type[AcmeAdapter]) -> Made:
    return {"spec": replace(SPEC, open=adapter)}


class Rewired(AcmeAdapter):
    """Changes what arrives from the network."""

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        transport = self._rest.http.transport
        original = transport.exchange

        def exchange(method: str, url: str, **more: Any) -> Reply:
            return self.arrived(lambda: original(method, url, **more), method, more)

        transport.exchange = exchange  # type: ignore[method-assign]

    def arrived(self, get: Callable[[], Reply], method: str, more: Mapping[str, Any]) -> Reply:
        return get()
