"""The desk in a real browser: Debian's Chromium by Playwright, the desk in a thread, nobody else within reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from handrail.plugin_core.web.desk import Desk
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.peers.plugin import Chromium

from .people import House
from .running import running
from .test_serving import free_port

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Open:
    """A desk that serves, and a browser before it."""

    def __init__(self, house: House, base: str, browser: Any, axe: Path) -> None:
        self.house = house
        self.base = base
        self.browser = browser
        self.axe = axe.read_text(encoding="utf-8")
        self.asked: list[str] = []
        self.said: list[str] = []

    def context(self, token: str | None = None, **more: Any) -> BrowserContext:
        """A fresh browser; with a token, of somebody who is signed in. What it asks for and complains of is noted."""
        made: BrowserContext = self.browser.new_context(**more)
        made.on("request", lambda request: self.asked.append(request.url))
        made.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        made.on("weberror", lambda error: self.said.append(f"error: {error.error}"))
        if token is not None:
            made.add_cookies([{"name": "handrail", "value": token, "url": self.base}])
        return made

    def barriers(self, page: Page) -> list[str]:
        """What axe-core finds wrong on a page, one line each."""
        wanted = json.dumps({"runOnly": {"type": "tag", "values": WCAG}})
        found = page.evaluate(f"(() => {{ {self.axe}\n return axe.run(document, {wanted}) }})()")
        return [f"{one['id']}: {node['target']} {one['help']}" for one in found["violations"] for node in one["nodes"]]


@contextmanager
def opened(house: House, chromium: Chromium) -> Iterator[Open]:
    """Serves a house and opens a browser while the block lasts."""
    port = free_port()
    desk = Desk(replace(house.desk.settings, web=replace(house.desk.settings.web, port=port)), now=house.clock)
    served = House(desk, house.clock)
    try:
        with running(desk), sync_playwright() as play:
            flags = ["--no-sandbox", "--disable-gpu", NOWHERE]
            browser = play.chromium.launch(executable_path=str(chromium.program), args=flags)
            yield Open(served, f"http://127.0.0.1:{port}", browser, chromium.axe)
            browser.close()
    finally:
        desk.close()
