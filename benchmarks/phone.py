"""The client's form on a slow phone, as `desk.py` measures it: Chromium with a slow network and a slow processor.

The network has the speed of Chromium's own "slow 3G" (400 kbit/s) and 400 ms to each answer; the processor is four
times slower than this machine's. "Usable" is when the form is painted and parsed: a tick counts from then on, with or
without the script.
"""

from __future__ import annotations

import shutil
from typing import Any

LATENCY_MS, BYTES_A_SECOND, SLOWER = 400, 400_000 / 8, 4
VIEWPORT = {"width": 360, "height": 740}
LOADS = 5
READY = """() => {
  const page = performance.getEntriesByType("navigation")[0]
  const paint = performance.getEntriesByName("first-contentful-paint")[0]
  return [page.domInteractive, page.domContentLoadedEventEnd, paint ? paint.startTime : page.loadEventEnd]
}"""


def measure(address: str) -> dict[str, Any] | None:
    """Bytes of the page with all that it loads, and milliseconds until it is usable; None: no Chromium here."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if browser is None:
        return None
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        found = [_load(chromium, address) for _ in range(LOADS)]
        chromium.close()
    usable = sorted(one["usable_ms"] for one in found)
    return {"bytes": max(one["bytes"] for one in found), "usable_ms": usable[len(usable) // 2], "worst_ms": usable[-1]}


def _load(chromium: Any, address: str) -> dict[str, float]:
    """One visit of somebody who was never here before."""
    context = chromium.new_context(viewport=VIEWPORT, is_mobile=True, has_touch=True)
    page = context.new_page()
    line = context.new_cdp_session(page)
    came = []
    line.on("Network.loadingFinished", lambda one: came.append(one["encodedDataLength"]))
    line.send("Network.enable")
    speed = {"downloadThroughput": BYTES_A_SECOND, "uploadThroughput": BYTES_A_SECOND}
    line.send("Network.emulateNetworkConditions", {"offline": False, "latency": LATENCY_MS, **speed})
    line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    answer = page.goto(address, wait_until="load")
    if answer is None or answer.status != 200:
        raise SystemExit(f"the form was answered with {answer and answer.status}")
    interactive, parsed, painted = page.evaluate(READY)
    page.wait_for_timeout(300)
    context.close()
    return {"bytes": sum(came), "usable_ms": round(max(interactive, painted)), "parsed_ms": round(parsed)}
