"""Promises about the whole source, and about what a running sync shows of itself (S6, S11, S26, S32, S34)."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from handrail.adapters.drchrono.settings import FLAG_SCOPES
from handrail.adapters.drchrono.settings import SCOPES as DRCHRONO_SCOPES
from handrail.adapters.fhir.settings import SCOPES as FHIR_SCOPES
from handrail.adapters.openemr.settings import PERSON_SCOPES, SYSTEM_SCOPES
from handrail.plugin_core.logs import Plain, Structured
from handrail.plugin_core.web.smart import SCOPE as LAUNCH_SCOPES

ROOT = Path(__file__).parents[1]
PLANTED = {
    "S32 a value in the text of a query": (
        "S608",
        "def f(name: str) -> str:\n    return f\"SELECT 1 FROM t WHERE n = '{name}'\"\n",
    ),
    "S34 eval": ("S307", "def f(text: str) -> object:\n    return eval(text)\n"),
    "S34 pickle": ("S301", "import pickle\n\n\ndef f(data: bytes) -> object:\n    return pickle.loads(data)\n"),
    "S34 a page that escapes nothing": ("S701", "import jinja2\n\nE = jinja2.Environment()\n"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_lint_of_this_house_finds_what_is_planted(what: str) -> None:
    """`make check` runs these rules over every source file; a rule that is switched off would find nothing."""
    rule, source = PLANTED[what]
    call = [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format", "concise", "--stdin-filename"]
    found = subprocess.run(
        [*call, str(ROOT / "plugin_core" / "planted.py"), "-"], input=source, capture_output=True, text=True, cwd=ROOT
    )
    assert rule in found.stdout


def test_s34_nothing_in_the_source_runs_code_from_data() -> None:
    """Also not behind a "noqa". Pickles go between a process and its own copy alone."""
    calls = re.compile(r"(?<![\w.])(?:eval|exec|compile|__import__)\(|\bpickle\.loads?\(|\byaml\.load\(|\bmarshal\.")
    between_copies = {"plugin_core/sync/beside.py"}
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in ("plugin_core", "adapters", "schemas")
        for path in (ROOT / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if calls.search(line) and str(path.relative_to(ROOT)) not in between_copies
    ]
    assert found == []


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("platforms/fhir.md", [FHIR_SCOPES]),
        ("platforms/openemr.md", [PERSON_SCOPES, SYSTEM_SCOPES]),
        ("platforms/drchrono.md", [DRCHRONO_SCOPES, FLAG_SCOPES]),
        ("smart-launch.md", [LAUNCH_SCOPES]),
    ],
)
def test_s6_the_scopes_asked_for_are_the_documented_ones(page: str, asked: list[str]) -> None:
    """A scope more than needed is an access that nobody has thought about."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    documented = {word for quoted in re.findall(r"`([^`\n]+)`", text) for word in quoted.split()}
    wanted = {scope for scopes in asked for scope in scopes.split()}
    assert wanted - documented == set()
    assert [scope for scope in wanted if "*" in scope] == []
    named = {word for word in documented if re.fullmatch(r"(?:system|user|patient)/\w+\.\w+|\w+:(?:read|write)", word)}
    assert named - wanted == set(), "a page that names more than is asked for would be out of date"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="NOT RUN: no /proc on this system")
def test_s11_no_secret_is_in_the_command_line_or_the_environment_of_a_run(tmp_path: Path) -> None:
    """Whoever may list processes would read the practice's token."""
    from tests.sync.stage import EVEN, Stage

    with Stage(tmp_path) as stage:
        stage.course("c1", [EVEN])
        watch = (
            "import os, sys; from pathlib import Path; from handrail.plugin_core.sync import points; "
            "points.listeners.append(lambda p: print(Path('/proc/self/cmdline').read_bytes(), dict(os.environ))); "
            "from handrail.plugin_core.cli import run; sys.exit(run(sys.argv[1:]))"
        )
        call = [sys.executable, "-c", watch, "--settings", str(stage.file), "sync", "--yes"]
        done = subprocess.run(call, capture_output=True, text=True, env=dict(os.environ), cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "PATH" in done.stdout, "the watch itself must have looked"
        assert stage.token
        key = (stage.folder / "key").read_text().strip()
        for secret in (stage.token, key):
            assert secret not in done.stdout + done.stderr


FORGED = ["a\n2026-01-01 ERROR all deleted", "\x1b[31mred\x1b[0m", "\u202etxt.exe", "a\rb", "a\u2028b", "\x00"]


@pytest.mark.parametrize("kind", [Plain, Structured])
@pytest.mark.parametrize("text", FORGED)
def test_s26_a_log_line_cannot_be_forged(kind: type[logging.Formatter], text: str) -> None:
    """A forged line hides what really happened, or makes somebody act on what did not."""
    record = logging.LogRecord("handrail", logging.WARNING, __file__, 1, "plugin %s raised", (text,), None)
    line = kind().format(record)
    assert [letter for letter in line if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp")] == []
    assert "raised" in line


def test_s26_the_commands_log_so(tmp_path: Path) -> None:
    """A formatter that nobody uses protects nobody: a settings file names a plugin with a line end in its name."""
    watch = (
        "import logging, sys; from handrail.plugin_core.logs import set_up; set_up(verbose=True, as_json=True); "
        "logging.getLogger('x').info('a\\nb')"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stderr)["said"] == "a\\nb"
    source = (ROOT / "plugin_core" / "cli" / "app.py").read_text(encoding="utf-8")
    assert "set_up(verbose=verbose, as_json=log_json)" in source
