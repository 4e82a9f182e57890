"""`handrail conformance`: the kit on an account as a vendor has one, from the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from handrail.adapters.intakeq.spec import SPEC as INTAKEQ
from handrail.plugin_core import cli
from handrail.plugin_core.testing import live

from tests.peers.servers import Sekmet
from tests.platforms.doubles.base import Filled
from tests.platforms.doubles.fhir import FhirDouble
from tests.platforms.doubles.intakeq import TAG, IntakeqDouble

CLIENT = "Patient/k1"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FhirDouble]:
    """A sandbox account with two filled-in forms, its key in a file beside the settings."""
    monkeypatch.setenv("HANDRAIL_SETTINGS", str(tmp_path / "handrail.toml"))
    with FhirDouble() as double:
        for ref in double.clients():
            double.add(Filled(ref, (0, 1, 2)))
        (tmp_path / "key.pem").write_text(double.secrets()["private_key"])
        (tmp_path / "key.pem").chmod(0o600)
        yield double


def arguments(double: FhirDouble) -> list[str]:
    given = [f"--set={name}={value}" for name, value in double.settings().items()]
    return ["conformance", "fhir", *given, "--secret=private_key=file:key.pem"]


Told = dict[str, Any]


def run(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, Told]:
    status = cli.run([*command, "--json"])
    out = capsys.readouterr()
    return status, json.loads(out.out) if out.out.startswith("{") else {"error": out.err}


def outcomes(told: Told) -> dict[str, str]:
    return {one["test"].removeprefix("test_"): one["outcome"] for one in told["tests"]}


def test_without_leave_it_reads_and_writes_nothing(account: FhirDouble, capsys: pytest.CaptureFixture[str]) -> None:
    """An account that somebody took for a sandbox may be a practice's."""
    status, told = run(capsys, *arguments(account))
    assert (status, told["writes"], told["left_there"]) == (0, [], [])
    assert [one for one in account.seen if one.write] == []
    found = outcomes(told)
    assert found["the_listing_and_the_pull_agree"] == found["fetch_brings_a_form_as_it_is_now"] == "passed"
    assert found["a_prompt_stands_once_at_the_right_client"] == "not applicable"
    reasons = [one["said"] for one in told["tests"] if one["outcome"] == "not applicable"]
    assert all(len(reason.split()) > 5 for reason in reasons)


def test_what_would_be_written_is_said_and_needs_a_yes(account: FhirDouble, capsys: pytest.CaptureFixture[str]) -> None:
    """A script must not say yes by being a script."""
    wish = ["--client", CLIENT, "--carrier", "flag", "--publish"]
    status, told = run(capsys, *arguments(account), *wish)
    assert (status, "--yes" in told["error"]) == (2, True)
    assert [one for one in account.seen if one.write] == []
    assert cli.run([*arguments(account), *wish]) == 2
    out = capsys.readouterr().out
    assert CLIENT in out
    assert "flag" in out
    assert "gr18" in out


def test_with_leave_prompts_are_tried_and_taken_back(account: FhirDouble, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that stands there afterwards may be taken for a real prompt."""
    wish = ["--client", CLIENT, "--carrier", "flag", "--publish", "--wrong-key", "--yes"]
    status, told = run(capsys, *arguments(account), *wish)
    failed = [one for one in told["tests"] if one["outcome"] == "failed"]
    assert (status, failed, told["left_there"], len(told["writes"])) == (0, [], [], 2)
    found = outcomes(told)
    assert found["a_prompt_sent_again_still_stands_once"] == found["publishing_twice_makes_one_form"] == "passed"
    assert found["a_wrong_credential_fails_once_and_clearly"] == "not applicable"  # a private key cannot be made up
    assert [mark for mark in account.marks("flag") if mark.active] == []
    assert len(account.marks("flag")) > 0
    assert account.marks("task") == []


def test_tidying_up_touches_nobody_but_the_client_that_was_named() -> None:
    """A tag bears no key: whoever else bears it bears it for a prompt of the practice's own."""
    with IntakeqDouble() as double:
        named, other = double.clients()
        for ref in (named, other):
            double.people[ref]["Tags"].append(TAG)
        wish = live.Wish(double.settings(), double.secrets(), named, ("tag",))
        assert live.tidy_up(live.live(INTAKEQ, wish)) == []
        assert [mark.client for mark in double.marks("tag")] == [other]


def test_a_tag_that_others_bear_is_counted_at_the_client_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tag bears no key, so that an adapter finds everybody who bears it: an account in use would fail the kit, or a
    second tag pass it."""
    monkeypatch.setenv("HANDRAIL_SETTINGS", str(tmp_path / "handrail.toml"))
    with IntakeqDouble() as double:
        named, other = double.clients()
        double.people[other]["Tags"].append(TAG)
        wish = [f"--client={named}", "--carrier=tag", "--yes"]
        wish += [f"--set={name}={value}" for name, value in double.settings().items()]
        for name, secret in double.secrets().items():
            (tmp_path / name).write_text(secret)
            (tmp_path / name).chmod(0o600)
            wish.append(f"--secret={name}=file:{name}")
        status, told = run(capsys, "conformance", "intakeq", *wish)
        assert [one for one in told["tests"] if one["outcome"] == "failed"] == []
        assert (status, told["left_there"]) == (0, [])
        found = outcomes(told)
        assert found["a_prompt_stands_once_at_the_right_client"] == found["a_prompt_is_found_by_its_key"] == "passed"
        assert [mark.client for mark in double.marks("tag")] == [other]


def test_a_second_run_does_not_stumble_over_the_first(account: FhirDouble, capsys: pytest.CaptureFixture[str]) -> None:
    """A vendor runs it again and again on one account."""
    wish = ["--client", CLIENT, "--carrier", "flag", "--yes"]
    assert run(capsys, *arguments(account), *wish)[0] == 0
    assert run(capsys, *arguments(account), *wish)[0] == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--carrier", "flag"], "--client"),
        (["--client", CLIENT], "--carrier"),
        (["--client", CLIENT, "--carrier", "banner"], "banner"),
        (["--set", "colour=blue"], "colour"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_before_anything_is_sent(
    account: FhirDouble, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    """A slip of the finger must not start a run on an account."""
    status, told = run(capsys, *arguments(account), *more)
    assert (status, said in told["error"]) == (2, True)
    assert list(account.seen) == []


def test_a_fault_that_stays_ends_it_with_a_sentence(account: FhirDouble, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, and the status says that it failed."""
    account.fail(500, on="any", times=10_000)
    status, told = run(capsys, *arguments(account))
    assert status in (1, 3)
    assert "Traceback" not in str(told)


def test_on_a_real_server(
    start_peer: Callable[[Sekmet], Sekmet],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """sekmet, which nobody of this project wrote, as the sandbox."""
    import requests

    monkeypatch.setenv("HANDRAIL_SETTINGS", str(tmp_path / "handrail.toml"))
    server = start_peer(Sekmet(search=True))
    patient = {"resourceType": "Patient", "name": [{"text": "Kes Kestrel"}]}
    made = requests.post(f"{server.base}/Patient", json=patient, timeout=10).json()["id"]
    form = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": "https://practice.example/Questionnaire/kestrel",
        "subject": {"reference": f"Patient/{made}"},
        "authored": "2026-03-01T10:00:00+01:00",
        "item": [{"linkId": "k1", "answer": [{"valueString": "Often"}]}],
    }
    assert requests.post(f"{server.base}/QuestionnaireResponse", json=form, timeout=10).status_code == 201
    wish = ["--client", f"Patient/{made}", "--carrier", "flag", "--carrier", "task", "--publish", "--yes"]
    status, told = run(capsys, "conformance", "fhir", f"--set=base_url={server.base}", *wish)
    assert [one for one in told["tests"] if one["outcome"] == "failed"] == []
    assert (status, told["left_there"]) == (0, [])
    flags = requests.get(f"{server.base}/Flag", timeout=10).json()["entry"]
    assert {one["resource"]["status"] for one in flags} == {"entered-in-error"}
