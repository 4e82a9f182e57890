"""A vendor's package beside Handrail, both installed from wheels into a clean environment, as a practice has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from handrail.plugin_core.testing import Clock

from .testing import AcmeDouble

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "docs" / "examples" / "handrail-acme"
FOLDERS = ("plugin_core", "adapters", "schemas")


def sources(top: Path) -> list[Path]:
    """What belongs to a source tree: no caches, no build leftovers."""
    return [
        path
        for path in sorted(top.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path)
    ]


def build(source: Path, out: Path) -> Path:
    """A wheel of a source tree, without the network."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(out), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, built from copies, so that nothing is left in the tree."""
    made = {}
    own = tmp_path_factory.mktemp("handrail")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, own / name)
    for folder in FOLDERS:
        for path in sources(ROOT / folder):
            target = own / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    acme = tmp_path_factory.mktemp("acme") / "src"
    shutil.copytree(VENDOR, acme, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    for name, source in (("handrail", own), ("handrail-acme", acme)):
        made[name] = build(source, tmp_path_factory.mktemp(f"{name}-wheel"))
    return made


@dataclass(frozen=True)
class Installed:
    """A clean environment with both packages."""

    folder: Path
    home: Path
    mark: Path

    @property
    def bin(self) -> Path:
        return self.folder / ("Scripts" if os.name == "nt" else "bin")

    def run(
        self, *command: str, settings: Path | None = None, at: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program of the environment; every import of the vendor's package leaves a line in `mark`."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
        env = kept | {"HOME": str(self.home), "USERPROFILE": str(self.home), "ACME_IMPORT_MARK": str(self.mark)}
        if settings is not None:
            env["HANDRAIL_SETTINGS"] = str(settings)
        program = str(self.bin / command[0])
        return subprocess.run([program, *command[1:]], env=env, cwd=at, capture_output=True, text=True, check=False)

    def handrail(self, *arguments: str, settings: Path | None = None, status: int = 0) -> Any:
        """What `handrail ... --json` prints."""
        done = self.run("handrail", *arguments, "--json", settings=settings)
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    @property
    def imported(self) -> bool:
        return self.mark.exists()


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the two wheels; the libraries are those of the running one, seen through a path file."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, *map(str, wheels.values())], check=True)
    site = next(folder.rglob("site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def installed(environment: Path, tmp_path: Path) -> Installed:
    """The environment with a home of its own, and no import of the vendor's package so far."""
    home = tmp_path / "home"
    home.mkdir()
    return Installed(environment, home, tmp_path / "imported")


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """Settings that name the vendor's package."""
    file = tmp_path / "handrail.toml"
    file.write_text('key = "file:key"\nplugins = ["handrail-acme"]\n')
    return file


def test_the_wheel_holds_every_file_and_nothing_at_the_top(wheels: dict[str, Path]) -> None:
    """A data file left out is missed by practices alone; a top-level `schemas` would collide with a vendor's."""
    with zipfile.ZipFile(wheels["handrail"]) as wheel:
        names = set(wheel.namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops - {"handrail"} == {top for top in tops if top.endswith(".dist-info")}
    tree = {f"handrail/{path.relative_to(ROOT).as_posix()}" for folder in FOLDERS for path in sources(ROOT / folder)}
    assert tree - names == set(), "not in the wheel"
    assert {f"handrail/{folder}/py.typed" for folder in FOLDERS} <= names
    assert any(name.endswith("LICENSE") for name in names)
    assert any(name.endswith("NOTICE") for name in names)


def test_the_vendors_wheel_holds_its_data_file(wheels: dict[str, Path]) -> None:
    """What the sample shows to vendors must itself be right."""
    with zipfile.ZipFile(wheels["handrail-acme"]) as wheel:
        names = set(wheel.namelist())
    assert {"handrail_acme/acme5.json", "handrail_acme/py.typed", "handrail_acme/spec.py"} <= names
    assert not any(name.startswith("tests") for name in names), "a vendor's tests would collide with the next one's"


def test_it_is_the_installed_handrail_that_runs(installed: Installed) -> None:
    """Not the tree that the tests were started from."""
    code = "import handrail.schemas, handrail.plugin_core as core; print(core.__file__)"
    done = installed.run("python", "-c", code)
    assert done.stdout.strip().startswith(str(installed.folder)), done.stderr


def test_s42_installed_but_not_allowed_it_is_listed_and_never_imported(installed: Installed) -> None:
    """Its code must not run because somebody installed it."""
    found = {info["distribution"]: info for info in installed.handrail("plugins")}
    assert found["handrail-acme"] | {"version": "1.0", "allowed": False, "loaded": False} == found["handrail-acme"]
    assert "acme5" not in json.dumps(installed.handrail("instruments"))
    assert installed.run("handrail", "--help").returncode == 0
    assert not installed.imported


def test_allowed_it_is_loaded_with_its_form(installed: Installed, allowed: Path) -> None:
    """S45: from which package and version is shown."""
    found = {info["distribution"]: info for info in installed.handrail("plugins", settings=allowed)}
    acme = found["handrail-acme"]
    assert (acme["loaded"], acme["problem"]) == (True, None)
    assert acme["hooks"] == ["register_adapters", "register_instruments", "register_rules"]
    assert installed.imported
    assert "acme5" in json.dumps(installed.handrail("instruments", settings=allowed))


def test_allowing_it_by_command_is_enough(installed: Installed, tmp_path: Path) -> None:
    """The way that its page tells; the settings say it afterwards."""
    settings = tmp_path / "own.toml"
    settings.write_text('# ours\nkey = "file:key"\n')
    done = installed.run("handrail", "plugins", "allow", "handrail-acme", settings=settings)
    assert done.returncode == 0, done.stderr
    assert settings.read_text().startswith("# ours\n")
    found = {info["distribution"]: info for info in installed.handrail("plugins", settings=settings)}
    assert found["handrail-acme"]["loaded"]


def test_s43_another_version_than_the_pinned_one_is_not_imported(installed: Installed, tmp_path: Path) -> None:
    """And it is said."""
    settings = tmp_path / "pinned.toml"
    settings.write_text('key = "file:key"\nplugins = ["handrail-acme==0.9"]\n')
    done = installed.run("handrail", "plugins", "--json", settings=settings)
    assert "only its version 0.9" in done.stdout
    assert not installed.imported


COURSE = """
    import json
    from datetime import UTC, datetime, timedelta
    from handrail.plugin_core.manager import Plugins
    from handrail.plugin_core.registry import Registry
    from handrail.plugin_core.rules.life import episodes
    from handrail.schemas.records import Course, Response

    registry = Registry(Plugins(["handrail-acme"]))
    instrument = registry.instrument("acme5")
    scorer = registry.scorer(instrument.key)

    def form(week, level):
        answers = {item.id: 4 - level if item.reverse else level for item in instrument.items}
        when = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(weeks=week)
        return scorer.form(Response(str(week), "c", "acme5", "1", when, answers))

    levels = [3, 1, 1, 0, 3, 3, 1, 0]
    course = Course("c", instrument, tuple(form(week, level) for week, level in enumerate(levels)))
    found = [
        {"opened": e.form.id, "closed": e.closing_form and e.closing_form.id, "reason": e.evidence().reason}
        for rule in registry.rules_for("acme5") if rule.id == "ACME1"
        for e in episodes(rule, course)
    ]
    print(json.dumps(found))
"""


def test_its_rule_has_the_life_of_ours(installed: Installed) -> None:
    """Opens on the second low form, clears after two that are not, opens anew as another flag."""
    done = installed.run("python", "-c", textwrap.dedent(COURSE))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["opened"], one["closed"]) for one in found] == [("2", "5"), ("7", None)]
    assert found[0]["reason"].startswith("Breaks were few on two forms in a row.")


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """A client's forms as `screen` reads them."""
    lines = []
    for week, level in enumerate([3, 1, 0]):
        form = {"B1": level, "B2": level, "B3": level, "B4": 4 - level, "B5": level}
        day = f"2026-03-{2 + 7 * week:02d}T10:00:00+00:00"
        lines.append(
            json.dumps({"client": "c", "instrument": "acme5", "version": "1", "authored": day, "answers": form})
        )
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


Screen = Callable[[Path | None], tuple[int, list[dict[str, Any]], list[str]]]


@pytest.fixture
def screen(installed: Installed, answers: Path, tmp_path: Path) -> Screen:
    """Runs `handrail screen`; gives exit status, flags and rejects."""

    def run(settings: Path | None) -> tuple[int, list[dict[str, Any]], list[str]]:
        out, rejects = tmp_path / "flags.jsonl", tmp_path / "rejects"
        done = installed.run(
            "handrail", "screen", str(answers), "-o", str(out), "--rejects", str(rejects), settings=settings
        )
        refused = rejects.read_text().splitlines() if rejects.exists() else []
        flags = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return done.returncode, flags, refused

    return run


def test_screen_raises_its_flag(screen: Screen, allowed: Path) -> None:
    """The same code as sync, offline."""
    status, flags, refused = screen(allowed)
    assert (status, refused) == (0, [])
    assert [(one["rule"], one["event"], one["on"]) for one in flags] == [("ACME1", "raised", "2026-03-16")]


def test_screen_without_it_knows_no_such_form(screen: Screen, installed: Installed) -> None:
    """Each line is refused with its reason; nothing is imported to have a look."""
    status, flags, refused = screen(None)
    assert (status, flags, len(refused)) == (1, [], 3)
    assert not installed.imported


def test_its_platform_stands_in_the_matrix_once_it_is_allowed(installed: Installed, allowed: Path) -> None:
    """A practice sees how far the vendor tested it before it connects."""
    assert "acme" not in {one["name"] for one in installed.handrail("plugins", "--platforms")}
    found = {one["name"]: one for one in installed.handrail("plugins", "--platforms", settings=allowed)}
    assert found["acme"]["tested"] == "hand-made"
    assert [carrier["name"] for carrier in found["acme"]["carriers"]] == ["alert"]


def test_its_own_tests_pass_with_the_kit_that_is_installed(installed: Installed, tmp_path: Path) -> None:
    """The kit comes with Handrail's wheel, and a vendor runs it beside their package, not in our tree."""
    shutil.copytree(VENDOR / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = installed.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", at=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "passed" in done.stdout
    assert "failed" not in done.stdout
    assert "skipped" not in done.stdout, "Acme can do all that the kit asks about"


class Account:
    """Acme's double with a client whose breaks get few, and a practice that was set up beside it."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self.installed = installed
        self.settings = folder / "practice" / "handrail.toml"
        self.double = AcmeDouble(Clock(datetime.now(UTC).replace(microsecond=0) - timedelta(weeks=6)))

    def command(self, *arguments: str, status: int = 0) -> Any:
        return self.installed.handrail(*arguments, settings=self.settings, status=status)

    def set_up(self) -> None:
        """init, allow, connect, publish: what a practice types."""
        self.command("init", "--key-file", "--time-zone", "UTC")
        done = self.installed.run("handrail", "plugins", "allow", "handrail-acme", settings=self.settings)
        assert done.returncode == 0, done.stderr
        for name, value in self.double.secrets().items():
            place = self.settings.parent / name
            place.write_text(value)
            place.chmod(0o600)
        secrets = [f"--secret={name}=file:{name}" for name in self.double.secrets()]
        base = f"--set=base_url={self.double.settings()['base_url']}"
        self.command("connect", "acme", base, *secrets, "--push", "--carrier", "alert")
        self.command("publish", "acme5")

    def fill_in(self, level: int) -> None:
        """The client fills in acme5, a week later; `level` is how often they took breaks."""
        self.double.clock.later(weeks=1)
        form = next(name for name in self.double.forms if name.endswith("acme5"))
        chosen = {f"B{n}": f"often-{4 - level if n == 4 else level}" for n in range(1, 6)}
        self.double.fill_in(form, "c-11", chosen)


def test_it_connects_publishes_syncs_and_its_rule_prompts_on_its_platform(installed: Installed, tmp_path: Path) -> None:
    """The whole way in another company's hands: their platform, their form, their rule, no line of ours changed."""
    account = Account(installed, tmp_path)
    with account.double:
        account.set_up()
        for level in (3, 1, 1):
            account.fill_in(level)
        report = account.command("sync", "--yes")
        assert (report["outcome"], report["counts"]["new"], report["counts"]["pushed"]) == ("complete", 3, 1)
        (flag,) = account.command("flags")["flags"]
        assert (flag["rule"], flag["title"]) == ("ACME1", "Few breaks, twice in a row")
        (alert,) = account.double.alerts.values()
        assert (alert["client"], alert["open"]) == ("c-11", True)
        again = account.command("sync", "--yes")
        assert not again["counts"].get("new")
        assert not again["counts"].get("pushed")
        assert len(account.double.alerts) == 1
        for level in (3, 3):
            account.fill_in(level)
        account.command("sync", "--yes")
        assert [one["open"] for one in account.double.alerts.values()] == [False], "cleared after two good forms"


def test_the_kit_runs_on_its_account_by_command(installed: Installed, tmp_path: Path) -> None:
    """What a vendor does last, on the sandbox."""
    account = Account(installed, tmp_path)
    with account.double:
        account.set_up()
        secrets = [f"--secret={name}=file:{name}" for name in account.double.secrets()]
        base = f"--set=base_url={account.double.settings()['base_url']}"
        wish = ["--client", "c-11", "--carrier", "alert", "--wrong-key", "--yes"]
        told = account.command("conformance", "acme", base, *secrets, *wish)
        outcomes = {one["test"]: one["outcome"] for one in told["tests"]}
        assert outcomes["test_a_wrong_credential_fails_once_and_clearly"] == "passed"
        assert outcomes["test_a_prompt_sent_again_still_stands_once"] == "passed"
        assert "failed" not in outcomes.values()
        assert not any(alert["open"] for alert in account.double.alerts.values())
