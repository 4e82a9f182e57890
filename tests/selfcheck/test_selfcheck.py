"""The therapist's self-check: whose it is, who can read it, when it is gone, and what rule P6 makes of a shared one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.cli import run
from handrail.plugin_core.errors import KeyProblem, UsageError
from handrail.plugin_core.selfcheck import GONE, Own
from handrail.plugin_core.store import keys
from sqlalchemy import create_engine, text

from ..core.test_keys import Memory, use
from ..sync.stage import EVEN, Stage, form, gr18

TOLD = {"T1": 2, "T2": 1, "T3": 4, "T4": 0, "T5": 3, "T6": 2, "T7": 1, "T8": 0}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """One client with three forms; the last one lies in the future of the first self-check."""
    with Stage(tmp_path / "practice") as made:
        made.course("c1", [EVEN, EVEN], last=28)
        made.sync()
        yield made


def key_of(stage: Stage, name: str) -> str:
    """Where an author keeps their key in these tests."""
    return f"file:{stage.folder / name}.key"


def fill(stage: Stage, author: str = "anna", **more: Any) -> Own:
    """A self-check about the only client."""
    found: Own = stage.ask(lambda e: e.selfchecks.fill(author, "c1", TOLD, key=key_of(stage, author), **more))
    return found


def begin(stage: Stage, author: str = "anna") -> None:
    stage.ask(lambda e: e.selfchecks.begin(author, key_of(stage, author)))


def test_what_was_filled_in_comes_back_to_its_author_with_its_score(stage: Stage) -> None:
    """stance is the mean of T1, T2, T3, T4, 4-T5, 4-T6, T7, 4-T8 (clinical.md 3): (2+1+4+0+1+2+1+4)/8."""
    begin(stage)
    made = fill(stage)
    (own,) = stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "anna")))
    assert own == made
    assert (own.check.answers, own.score.value, own.check.shared) == (TOLD, 15 / 8, False)
    assert own.check.delete_on == own.check.authored.date() + timedelta(days=365)


def test_nobody_else_opens_it_and_the_practice_key_does_not_fit(stage: Stage) -> None:
    """A therapist who must fear that a colleague or the owner reads it will not answer honestly (clinical.md 9.4)."""
    begin(stage)
    begin(stage, "ben")
    fill(stage)
    with pytest.raises(KeyProblem):
        stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "ben")))
    assert stage.ask(lambda e: e.selfchecks.mine("ben", key=key_of(stage, "ben"))) == []
    engine = create_engine(f"sqlite:///{stage.folder / 'store.db'}")
    with engine.connect() as conn:
        (key, sealed) = conn.execute(text("SELECT key, sealed FROM selfchecks")).one()
    engine.dispose()
    with stage.engine() as practice, pytest.raises(Exception, match="changed outside"):
        practice.store.sealer.open(f"selfchecks:{practice.source}:{key}", sealed)


def test_unshared_it_is_in_no_flag_no_view_and_no_export_of_the_client(stage: Stage) -> None:
    """Private by default: it must not turn up in what the practice or the client reads."""
    begin(stage)
    fill(stage)
    stage.later(days=1)
    stage.put(form("c1-3", "c1", stage.now, gr18(EVEN, W5=0)))
    stage.sync()
    view = stage.ask(lambda e: e.client("c1"))
    assert [course.instrument.id for course in view.courses] == ["gr18"]
    assert [row.flag.rule for row in view.flags] == []


def two_views(stage: Stage) -> Own:
    """A shared self-check (T3 = 4) and a client's form a day later that says W5 = 0: rule P6."""
    begin(stage)
    own = fill(stage)
    stage.ask(lambda e: e.selfchecks.share("anna", own.id, key=key_of(stage, "anna")))
    stage.later(days=1)
    stage.put(form("c1-3", "c1", stage.now, gr18(EVEN, W5=0)))
    stage.sync()
    return own


def test_shared_it_lets_P6_see_that_two_views_differ(stage: Stage) -> None:  # noqa: N802
    """Only by the author's own act; and then the flag says which two lines differ."""
    two_views(stage)
    (row,) = stage.ask(lambda e: e.flags(client="c1"))
    assert row.flag.rule == "P6"
    assert {used.values["T3"] for used in row.flag.evidence.forms if "T3" in used.values} == {4}


def test_taken_back_it_leaves_the_flag_and_its_evidence(stage: Stage) -> None:
    """Evidence that outlived the sharing would share for ever."""
    own = two_views(stage)
    stage.ask(lambda e: e.selfchecks.share("anna", own.id, on=False, key=key_of(stage, "anna")))
    (bare,) = stage.ask(lambda e: e.flags(everything=True, client="c1"))
    assert bare.flag.evidence.reason == GONE
    assert bare.flag.evidence.forms == ()
    stage.later(minutes=5)
    stage.sync()
    assert stage.ask(lambda e: e.flags(client="c1")) == []
    assert stage.active() == []


def test_after_twelve_months_it_is_gone_with_the_next_sync(stage: Stage) -> None:
    """clinical.md 9.4: deleted after 12 months, shared or not; a day earlier it is still there."""
    two_views(stage)

    def mine() -> list[Own]:
        found: list[Own] = stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "anna")))
        return found

    stage.later(days=363)
    stage.sync()
    assert len(mine()) == 1
    stage.later(days=1)
    stage.sync()
    assert mine() == []
    assert stage.ask(lambda e: [r.flag.evidence.forms for r in e.flags(everything=True, client="c1")]) == [()]


def test_a_lost_key_is_said_plainly_and_forgetting_starts_anew(stage: Stage) -> None:
    """A lost key must not leave rows that nobody can read or delete."""
    begin(stage)
    fill(stage)
    (stage.folder / "anna.key").unlink()
    with pytest.raises(KeyProblem, match="cannot be read"):
        stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "anna")))
    with pytest.raises(UsageError, match="forget"):
        begin(stage)
    assert stage.ask(lambda e: e.selfchecks.forget("anna", myself=True)) == 1
    (stage.folder / "anna.key").unlink(missing_ok=True)
    begin(stage)
    assert stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "anna"))) == []


def test_a_refused_begin_leaves_no_key_in_the_way(stage: Stage) -> None:
    """The order in which people find out that a key is lost; the useless new key kept the author out for good."""
    begin(stage)
    keys.remove(key_of(stage, "anna"))
    with pytest.raises(UsageError, match="selfcheck forget"):
        begin(stage)
    stage.ask(lambda e: e.selfchecks.forget("anna", myself=True))
    begin(stage)
    assert fill(stage).score.value is not None


def test_forgetting_takes_the_key_out_of_the_keyring_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`begin` refused as long as the old key lay there, and nothing said how to take it away."""
    ring = Memory()
    use(monkeypatch, ring)
    monkeypatch.setattr("keyring.delete_password", ring.delete_password)
    stage.ask(lambda e: e.selfchecks.begin("anna"))
    assert stage.ask(lambda e: e.selfchecks.forget("anna", myself=True)) == 0
    assert stage.ask(lambda e: e.selfchecks.begin("anna")).startswith("keyring:")


def test_a_colleagues_checks_are_deleted_and_listed_with_their_key_alone(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """--by is a word that anybody can type: it deleted another's checks, and said about whom they had written."""
    begin(stage)
    fill(stage)

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["--settings", str(stage.file), "selfcheck", *words])
        return status, capsys.readouterr().out

    assert call("forget", "--by", "anna", "--yes")[0] != 0
    assert call("due", "--by", "anna")[0] != 0
    begin(stage, "ben")
    assert call("forget", "--by", "anna", "--yes", "--key", key_of(stage, "ben"))[0] != 0
    assert len(stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "anna")))) == 1
    key = ("--by", "anna", "--key", key_of(stage, "anna"))
    assert call("due", *key)[0] == 0
    assert call("due")[0] == 0
    status, out = call("forget", "--yes", "--json", *key)
    assert (status, json.loads(out)) == (0, {"format": 1, "deleted": 1})


def test_a_lost_key_of_ones_own_is_forgotten_without_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """This computer's user needs no key to delete what nobody can read any more."""
    monkeypatch.setattr("handrail.plugin_core.cli.selfcheck.author", lambda: "anna")
    begin(stage)
    fill(stage)
    keys.remove(key_of(stage, "anna"))
    assert run(["--settings", str(stage.file), "selfcheck", "forget", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] == 1


def test_it_falls_due_with_each_second_form_of_the_client(stage: Stage) -> None:
    """clinical.md 2.2. Two forms are there; after a self-check two more are needed."""

    def due() -> list[tuple[str, int]]:
        rows = stage.ask(lambda e: e.selfchecks.due("anna", myself=True))
        return [(row.client, row.forms) for row in rows]

    assert due() == [("Invented c1", 2)]
    begin(stage)
    fill(stage)
    assert due() == []
    stage.later(days=28)
    stage.put(form("c1-3", "c1", stage.now, gr18(EVEN)))
    stage.sync()
    assert due() == []
    stage.later(days=28)
    stage.put(form("c1-4", "c1", stage.now, gr18(EVEN)))
    stage.sync()
    assert due() == [("Invented c1", 2)]


@pytest.mark.parametrize(
    "answers", [{"T1": 5}, {"T1": "3"}, {"T1": True}, {"T9": 1}, {"T1": 2.5}], ids=["5", "text", "true", "T9", "2.5"]
)
def test_an_answer_that_the_form_does_not_have_is_refused(stage: Stage, answers: dict[str, Any]) -> None:
    """Nothing is stored on a guess, here as elsewhere; the sentence does not repeat the answer."""
    begin(stage)
    with pytest.raises(UsageError, match="cannot be stored") as caught:
        stage.ask(lambda e: e.selfchecks.fill("anna", "c1", answers, key=key_of(stage, "anna")))
    assert "5" not in caught.value.message
    assert stage.ask(lambda e: e.selfchecks.mine("anna", key=key_of(stage, "anna"))) == []


def test_the_command_fills_in_lists_shares_and_deletes(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """What a therapist types, options alone."""
    key = ["--by", "anna", "--key", key_of(stage, "anna")]

    def call(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["--settings", str(stage.file), "selfcheck", *words])
        return status, capsys.readouterr().out

    status, out = call("begin", "--json", *key)
    assert (status, json.loads(out)["key"]) == (0, key[-1])
    status, out = call("fill", "c1", "--answers", "2 1 4 - 3 2 1 0", "--on", "2026-11-19", "--json", *key)
    facts = json.loads(out)
    assert (status, facts["answers"]["T3"], "T4" in facts["answers"], facts["stance"]) == (0, 4, False, 15 / 7)
    assert "Invented c1" in call("list", *key)[1]
    assert json.loads(call("share", facts["id"], "--json", *key)[1])["shared"] is True
    assert json.loads(call("unshare", facts["id"], "--json", *key)[1])["shared"] is False
    assert call("delete", facts["id"], "--json", *key)[0] == 2
    status, out = call("delete", facts["id"], "--yes", "--json", *key)
    assert (status, json.loads(out)["deleted"]) == (0, 1)
    assert json.loads(call("list", "--json", *key)[1])["selfchecks"] == []
    assert call("fill", "c1", "--answers", "1 2", *key)[0] == 2


def test_the_audit_trail_does_not_say_about_whom(stage: Stage) -> None:
    """That one was filled in is recorded; about which client is the author's alone until they share it."""
    begin(stage)
    fill(stage)
    engine = create_engine(f"sqlite:///{stage.folder / 'store.db'}")
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT actor, action, subject FROM audit WHERE action LIKE 'selfcheck%'")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("anna", "selfcheck-begun", None), ("anna", "selfcheck-filled", None)]


def test_keys_are_files_for_their_owner_only(stage: Stage) -> None:
    """Another user of the computer must not read it."""
    begin(stage)
    assert keys.exists(key_of(stage, "anna"))
    assert (stage.folder / "anna.key").stat().st_mode & 0o077 == 0
