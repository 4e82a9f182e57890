"""Pictures of the desk, made from the demo: python -m tests.web.screenshots [--all FOLDER] [--language de]

Without options it makes the few that the documentation shows, into docs/desk/. With `--all` every page at 320, 768 and
1280 px, light and dark, whole, for looking at: what staff see, and what they hand to clients (walks.py). The demo's
last day and seed are fixed, so that the same desk comes out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from handrail.adapters.demo.command import run
from handrail.adapters.demo.desk import furnish, looked_before
from handrail.plugin_core.settings import load
from handrail.plugin_core.store import accounts
from handrail.plugin_core.web.caseload import Row
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.staff import Staff, Wanted
from playwright.sync_api import Browser, sync_playwright

from tests.peers.install import chromium

from .chrome import NOWHERE
from .people import TODAY, Clock
from .running import running
from .test_serving import free_port
from .walks import walk

DOCS = Path(__file__).parents[2] / "docs" / "desk"
WIDTHS = (320, 768, 1280)
SCHEMES = ("light", "dark")
SHOWN = (("clients", 1280, "light", 760), ("prompt", 1280, "light", 1000), ("prompt", 390, "light", 844),
         ("safety", 390, "dark", 844))  # fmt: skip
"""What the documentation shows: page, width, scheme, height."""
SHOWN_TO_CLIENTS = {"form": (390, "light", 844), "thank-you": (390, "dark", 844), "tablet": (768, "light", 620),
                    "own-page": (390, "light", 844)}  # fmt: skip
"""The same of what clients see."""


def name_of(row: Row) -> str:
    """By which clients are chosen, so that each run chooses the same."""
    return row.person.name


@contextmanager
def demo_desk(language: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A desk on the demo; gives its address, a token of somebody who is signed in, and the paths of its pages."""
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            run(Path(folder), TODAY, None, True)
        settings = load(Path(folder) / "handrail.toml")
        port = free_port()
        web = replace(settings.web, port=port, address=f"http://127.0.0.1:{port}")
        settings = replace(settings, language=language, web=web)
        desk = Desk(settings, now=Clock())
        with desk.engine() as engine:
            furnish(engine)
            ref, name = desk.caseload.clinicians(engine, engine.source)[0]
            staff = Staff(engine)
            roles = frozenset({"clinician", "supervisor", "administrator", "front-desk"})
            account = staff.accept_demo(staff.demo_link(Wanted(name, "demo", roles, ref)))
            assert account is not None
            with engine.store.reading() as tx:
                looked_before(engine, accounts.key_of(tx, "demo"))
            token = staff.begin(account)
            rows = desk.caseload.rows(engine, engine.source, account.key)
            flag = min((row for row in engine.flags() if row.flag.rule == "R1"), key=lambda row: row.client)
        paths = {"clients": "/clients", "due": "/due", "people": "/people", "trail": "/trail", "me": "/me",
                 "programs": "/programs", "hand-over": "/hand-over", "nothing-here": "/nothing-here",
                 "why": f"/client/{flag.flag.client}/flag/{flag.flag.key}",
                 "numbers": f"/client/{flag.flag.client}/numbers"}  # fmt: skip
        tests: dict[str, Callable[[Row], object]] = {
                 "safety": lambda r: r.safety, "prompt": lambda r: r.prompts == 1 and not r.safety and r.fresh,
                 "good": lambda r: r.good, "held": lambda r: r.held_until,
                 "quiet": lambda r: not (r.prompts or r.good or r.safety)}  # fmt: skip
        for kind, fits in tests.items():
            paths[kind] = f"/client/{next(row.person.key for row in sorted(rows, key=name_of) if fits(row))}"
        try:
            with running(desk):
                yield f"http://127.0.0.1:{settings.web.port}", token, paths
        finally:
            desk.close()


def walked(browser: Browser, base: str, token: str, quiet: str, folder: Path, *, everything: bool) -> None:
    """Pictures of what staff hand over and of what clients see, state by state."""
    for name, page in walk(browser, base, token, quiet):
        every = [(width, scheme, 0) for width in WIDTHS for scheme in SCHEMES]
        for width, scheme, height in (
            every if everything else [SHOWN_TO_CLIENTS[name]] if name in SHOWN_TO_CLIENTS else []
        ):
            page.set_viewport_size({"width": width, "height": height or 800})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.evaluate("scrollTo(0, 0)")
            page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=height == 0)


def shoot(browser: Browser, base: str, token: str, path: str, file: Path, width: int, scheme: str, height: int) -> None:
    """One picture; height 0: the whole page."""
    context = browser.new_context(
        viewport={"width": width, "height": height or 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    context.add_cookies([{"name": "handrail", "value": token, "url": base}])
    page = context.new_page()
    page.goto(base + path)
    page.screenshot(path=file, full_page=height == 0)
    context.close()


def main() -> None:
    """Makes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    parser.add_argument("--language", default="en")
    options = parser.parse_args()
    folder: Path = options.all or DOCS
    folder.mkdir(parents=True, exist_ok=True)
    with demo_desk(options.language) as (base, token, paths), sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(chromium()), args=["--no-sandbox", NOWHERE])
        if options.all:
            for name, path in paths.items():
                for width in WIDTHS:
                    for scheme in SCHEMES:
                        file = folder / f"{name}-{width}-{scheme}.png"
                        shoot(browser, base, token, path, file, width, scheme, 0)
        else:
            for name, width, scheme, height in SHOWN:
                shoot(browser, base, token, paths[name], folder / f"{name}-{width}-{scheme}.png", width, scheme, height)
        walked(browser, base, token, paths["good"], folder, everything=options.all is not None)
        browser.close()


if __name__ == "__main__":
    main()
