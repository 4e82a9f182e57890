"""Leaving a platform: all that was pushed is taken back, then the platform is forgotten; never half."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.report.page import report_html
from handrail.plugin_core.settings import load

from tests.sync.stage import EVEN, LEANING, PHQ9, SHRUNK, Stage, form, gr18


@pytest.fixture
def pushed(stage: Stage) -> Stage:
    """Two carriers; one prompt stands, another was closed."""
    stage.write_settings(carriers=["flag", "task"])
    stage.course("c1", [EVEN, EVEN, EVEN, LEANING, LEANING])
    stage.course("c2", [EVEN, EVEN, SHRUNK, SHRUNK])
    stage.sync()
    stage.later(days=20)
    for number in (2, 1):
        stage.put(form(f"c2-even-{number}", "c2", stage.now - timedelta(days=number), gr18(EVEN)))
    stage.sync()
    return stage


def statuses(stage: Stage) -> list[str]:
    """How every object of ours looks on the platform."""
    return sorted(str(one["status"]) for kind in ("Flag", "Task") for one in stage.place().all(kind))


def disconnect(stage: Stage, **more: Any) -> Any:
    """As `handrail disconnect` does it."""
    return stage.ask(lambda e: e.mending.disconnect("anna", **more))


def test_it_refuses_while_something_stands(pushed: Stage) -> None:
    """Prompts in charts that nobody can take back any more."""
    with pytest.raises(UsageError, match=r"\d entries of Handrail stand"):
        disconnect(pushed)
    assert load(pushed.file).platform is not None


def test_it_refuses_while_nobody_has_seen_a_safety_answer(stage: Stage) -> None:
    """Once the platform is forgotten, no run tells the backup again and no list shows it."""
    stage.course("c1", [EVEN])
    stage.put(form("c1-phq", "c1", stage.now, PHQ9, instrument="phq9"))
    stage.sync()
    with pytest.raises(UsageError, match="not been seen by anybody"):
        disconnect(stage, retract=True)
    assert load(stage.file).platform is not None
    stage.ask(lambda e: e.acknowledge(e.flags()[0].id, "anna"))
    assert disconnect(stage, retract=True).forgotten


def test_everything_is_taken_back_from_all_carriers(pushed: Stage) -> None:
    """Also what was closed: nothing of ours may speak in a chart after we have left."""
    assert {"active", "requested"} <= set(statuses(pushed))
    left = disconnect(pushed, retract=True)
    assert left.forgotten
    assert set(statuses(pushed)) == {"entered-in-error"}
    settings = load(pushed.file)
    assert settings.platform is None
    assert settings.push.on is False
    assert any("stays here, sealed" in line for line in left.stays)


def test_a_platform_that_is_down_leaves_it_connected(pushed: Stage) -> None:
    """Exit status 3, run it again: forgetting it now would leave the prompts for ever."""
    pushed.write_settings(base="http://127.0.0.1:9/fhir", carriers=["flag", "task"])
    left = disconnect(pushed, retract=True)
    assert not left.forgotten
    assert left.still_there > 0
    settings = load(pushed.file)
    assert settings.platform is not None
    assert settings.push.on is False
    pushed.write_settings(carriers=["flag", "task"], on=False)
    assert disconnect(pushed, retract=True).forgotten
    assert set(statuses(pushed)) == {"entered-in-error"}


def test_a_sync_between_two_attempts_pushes_nothing(pushed: Stage) -> None:
    """The scheduled run of the night must not put back what is being taken away."""
    before = len(statuses(pushed))
    base = pushed.base
    pushed.write_settings(base="http://127.0.0.1:9/fhir", carriers=["flag", "task"])
    disconnect(pushed, retract=True)
    text = pushed.file.read_text().replace("http://127.0.0.1:9/fhir", base)
    pushed.file.write_text(text)
    pushed.sync(full=True)
    assert len(statuses(pushed)) == before
    assert disconnect(pushed, retract=True).forgotten


def test_leaving_it_there_is_a_choice(pushed: Stage) -> None:
    """The platform is gone for good, and the practice knows."""
    pushed.write_settings(base="http://127.0.0.1:9/fhir", carriers=["flag", "task"])
    left = disconnect(pushed, leave=True)
    assert left.forgotten
    assert left.counts["left_on_platform"] > 0


def test_single_clients_can_be_read_exported_and_erased_afterwards(pushed: Stage) -> None:
    """Their rights do not end with the practice's contract; the whole store would have had to go."""
    disconnect(pushed, retract=True)
    assert pushed.ask(lambda e: e.client("c1")).courses
    assert pushed.ask(lambda e: [row.flag.rule for row in e.flags(everything=True, client="c1")]) == ["P1"]
    assert pushed.ask(lambda e: report_html(e, as_of=e.now())).startswith("<!")
    made = pushed.ask(lambda e: e.rights.export("c1", pushed.folder / "out", "anna"))
    assert all(path.stat().st_size for path in made)
    assert pushed.ask(lambda e: e.rights.erase("c1", "anna")).done
    assert [name for _, name in pushed.ask(lambda e: e.clients())] == ["Invented c2"]


def test_their_forms_are_listed_and_can_be_remarked_on_afterwards(pushed: Stage) -> None:
    """Who wants to look at what is kept, or correct it, must not hear that there is no platform."""
    before = [one.id for one in pushed.ask(lambda e: e.mending.forms("c1"))]
    disconnect(pushed, retract=True)
    status, said = command(pushed, "forms", "c1", "--json")
    assert (status, [one["id"] for one in json.loads(said)]) == (0, before)
    status, said = command(pushed, "forms", "c1")
    assert (status, said.count("gr18")) == (0, 5)
    assert command(pushed, "forms", "nobody")[0] == 2


def test_what_was_left_there_is_not_forgotten_by_erasing(pushed: Stage) -> None:
    """Nobody can take it back any more: the practice has to know, and to say that it sees to it by hand."""
    disconnect(pushed, leave=True)
    refused = pushed.ask(lambda e: e.rights.erase("c1", "anna"))
    assert not refused.done
    assert refused.still_there
    assert refused.problems == ["No platform is connected, so that nothing can be taken back there."]
    assert pushed.ask(lambda e: e.rights.erase("c1", "anna", leave=True)).done


def test_connected_again_prompts_stand_again(pushed: Stage) -> None:
    """A practice that comes back must see what stands, after it has agreed to the count."""
    disconnect(pushed, retract=True)
    pushed.write_settings(carriers=["flag", "task"])
    pushed.sync()
    assert pushed.active() == ["c1 P1"]


def test_erase_leaves_no_row(pushed: Stage) -> None:
    """A practice that stops for good."""
    disconnect(pushed, retract=True, erase=True)
    pushed.write_settings(on=False)
    seen = pushed.seen()
    assert (seen.responses, seen.clients, seen.flags, seen.deliveries) == ([], [], [], [])


def command(stage: Stage, *arguments: str) -> tuple[int, str]:
    """The real command, in a process of its own."""
    code = "from handrail.plugin_core.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--settings", str(stage.file), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_says_what_is_left_and_exits_3(pushed: Stage) -> None:
    """An unattended script must not take an unfinished one for done."""
    assert command(pushed, "disconnect")[0] == 2
    good = pushed.file.read_text()
    pushed.file.write_text(good.replace(pushed.base, "http://127.0.0.1:9/fhir"))
    status, said = command(pushed, "disconnect", "--retract-all")
    assert (status, "Run the same command again" in said) == (3, True), said
    pushed.file.write_text(good)
    status, said = command(pushed, "disconnect", "--retract-all", "--json")
    assert (status, json.loads(said)["forgotten"]) == (0, True), said
