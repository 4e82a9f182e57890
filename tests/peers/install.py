"""Installs the real servers that the tests run against, from PyPI and npm, once, in locked versions.

    python -m tests.peers.install [sekmet] [healthchain] [mitmproxy] [medplum] [graphql] [postgres] [lforms]
                                  [--all] [--demand]

Standard library only, so that it runs before anything else is installed. Without Node, PostgreSQL or Chromium it says
so plainly and ends well; with `--demand` or HANDRAIL_DEMAND_PEERS=1, which continuous integration sets, that is an
error.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
POSTGRES_PLACES = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # PostgreSQL's own packages for Red Hat
    ("/opt/homebrew/opt", "postgresql*/bin"),
    ("/usr/local/opt", "postgresql*/bin"),
    ("/Applications/Postgres.app/Contents/Versions", "*/bin"),
    ("C:/Program Files/PostgreSQL", "*/bin"),
)
POSTGRES_ADVICE = "install it with 'apt-get install postgresql' or 'brew install postgresql'"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ADVICE = "install it with 'apt-get install chromium', or Google Chrome"
NODE_ADVICE = "install Node 20 or newer, which brings npm"


class CannotInstall(Exception):
    """A peer cannot be had on this machine; the text says why and what to do."""


def cache_folder() -> Path:
    """The folder that holds the installed servers: HANDRAIL_PEERS, else .cache/peers at the top of the checkout."""
    return Path(os.environ.get("HANDRAIL_PEERS") or HERE.parents[1] / ".cache" / "peers").resolve()


def demanded() -> bool:
    """Whether a missing server is a failure: HANDRAIL_DEMAND_PEERS is set to anything but 0."""
    return os.environ.get("HANDRAIL_DEMAND_PEERS", "") not in ("", "0")


def python_of(peer: str) -> Path:
    """The interpreter of the environment that a peer from PyPI has for itself, there or not."""
    scripts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return cache_folder().joinpath(peer, *scripts)


def sekmet_python() -> Path:
    """The interpreter of sekmet's own environment, there or not."""
    return python_of("sekmet")


def medplum_folder() -> Path:
    """The folder with Medplum's packages, there or not."""
    return cache_folder() / "medplum"


def graphql_folder() -> Path:
    """The folder with the GraphQL server's packages, there or not."""
    return cache_folder() / "graphql"


def lforms_folder() -> Path:
    """The folder with LHC-Forms as a page loads it, there or not."""
    return cache_folder() / "lforms"


def chromium() -> Path | None:
    """The browser, or None."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    return Path(found) if found else None


def postgres_bin() -> Path | None:
    """The folder of the newest PostgreSQL server's programs, or None; a client alone does not count."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    for top, pattern in POSTGRES_PLACES:
        found += sorted(Path(top).glob(pattern), key=_version_in, reverse=True)
    complete = (folder for folder in found if all(shutil.which(name, path=folder) for name in ("initdb", "postgres")))
    return next(complete, None)


def _version_in(folder: Path) -> float:
    digits = "".join(c for c in folder.parent.name if c.isdigit() or c == ".").strip(".")
    try:
        return float(digits)
    except ValueError:
        return 0.0


def missing(peer: str) -> str | None:
    """Why this peer cannot be started now, as one sentence; None when it can."""
    reason = {
        "sekmet": lambda: _python_missing("sekmet"),
        "healthchain": lambda: _python_missing("healthchain"),
        "mitmproxy": lambda: _python_missing("mitmproxy"),
        "medplum": lambda: _node_missing("medplum"),
        "graphql": lambda: _node_missing("graphql"),
        "postgres": _postgres_missing,
        "lforms": _lforms_missing,
    }[peer]()
    return reason and f"{peer} was not run: {reason}"


def _python_missing(name: str) -> str | None:
    up_to_date = python_of(name).exists() and _stamped(cache_folder() / name, _python_mark(name))
    return None if up_to_date else f"it is not installed; run 'python -m tests.peers.install {name}'"


def _node_missing(name: str) -> str | None:
    if not shutil.which("node"):
        return f"there is no Node on this machine; {NODE_ADVICE}, then run 'python -m tests.peers.install {name}'"
    if _stamped(cache_folder() / name, _node_mark(name)):
        return None
    return f"it is not installed; run 'python -m tests.peers.install {name}'"


def _postgres_missing() -> str | None:
    return None if postgres_bin() else f"no PostgreSQL server was found on this machine; {POSTGRES_ADVICE}"


def _lforms_missing() -> str | None:
    if chromium() is None:
        return f"there is no Chromium on this machine; {CHROMIUM_ADVICE}"
    if _stamped(lforms_folder(), _lforms_mark()):
        return None
    return "it is not installed; run 'python -m tests.peers.install lforms'"


def install_sekmet() -> str:
    """Put sekmet-fhir into an environment of its own; gives back what was done."""
    return _install_python("sekmet")


def install_healthchain() -> str:
    """Put healthchain, a CDS Hooks client, into an environment of its own; gives back what was done."""
    return _install_python("healthchain")


def install_mitmproxy() -> str:
    """Put mitmproxy, which stands between us and a server, into an environment of its own; gives what was done."""
    return _install_python("mitmproxy")


def _install_python(name: str) -> str:
    """Locked packages from PyPI, wheels alone."""
    folder, mark = cache_folder() / name, _python_mark(name)
    with _one_at_a_time(name):
        if python_of(name).exists() and _stamped(folder, mark):
            return "there already"
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(python_of(name)), "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "install"]
        _run([*pip, "--no-deps", "--require-hashes", "--only-binary=:all:", "-r", str(HERE / f"{name}.lock")])
        _stamp(folder, mark)
    return "installed"


def install_medplum() -> str:
    """Put Medplum's packages into a folder; gives back what was done."""
    return _install_packages("medplum")


def install_graphql() -> str:
    """Put the GraphQL server's packages into a folder; gives back what was done."""
    return _install_packages("graphql")


def _install_packages(name: str) -> str:
    """Locked packages from npm; scripts of packages never run."""
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        raise CannotInstall(f"there is no Node with npm on this machine; {NODE_ADVICE}")
    folder, mark = cache_folder() / name, _node_mark(name)
    with _one_at_a_time(name):
        if _stamped(folder, mark):
            return "there already"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name / file, folder / file)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)
        _stamp(folder, mark)
    return "installed"


def install_lforms() -> str:
    """Put the few files of LHC-Forms that a page loads into a folder; gives back what was done."""
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        raise CannotInstall(f"there is no Node with npm on this machine; {NODE_ADVICE}")
    if chromium() is None:
        raise CannotInstall(f"there is no Chromium on this machine; {CHROMIUM_ADVICE}")
    folder, mark = lforms_folder(), _lforms_mark()
    with _one_at_a_time("lforms"):
        if _stamped(folder, mark):
            return "there already"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, package in json.loads(_lforms_list().read_text(encoding="utf-8")).items():
            with tempfile.TemporaryDirectory() as place:
                _run([npm, "pack", "--silent", "--ignore-scripts", f"{name}@{package['version']}"], Path(place))
                _unpack(next(Path(place).glob("*.tgz")), package, folder)
        _stamp(folder, mark)
    return "installed"


def _unpack(archive: Path, package: dict[str, Any], folder: Path) -> None:
    """Takes the named files out of a package, if it is the very one that was locked."""
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package["integrity"]:
        raise CannotInstall(f"{archive.name} is not the package that was locked")
    with tarfile.open(archive) as opened:
        for inside, place in package["files"].items():
            found = opened.extractfile(inside)
            if found is None:
                raise CannotInstall(f"{archive.name} does not have {inside}")
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(found.read())


def check_postgres() -> str:
    """Say where PostgreSQL's server is; it comes from the system's packages, never from here."""
    folder = postgres_bin()
    if folder is None:
        raise CannotInstall(f"no PostgreSQL server was found; {POSTGRES_ADVICE}")
    return f"found in {folder}"


PEERS: dict[str, Callable[[], str]] = {
    "sekmet": install_sekmet,
    "healthchain": install_healthchain,
    "mitmproxy": install_mitmproxy,
    "medplum": install_medplum,
    "graphql": install_graphql,
    "postgres": check_postgres,
    "lforms": install_lforms,
}


def _python_mark(name: str) -> str:
    return _mark([HERE / f"{name}.lock"], f"{sys.version_info.major}.{sys.version_info.minor}")


def _node_mark(name: str) -> str:
    return _mark([HERE / name / "package-lock.json", HERE / name / "package.json"])


def _lforms_list() -> Path:
    return HERE / "lforms" / "packages.json"


def _lforms_mark() -> str:
    return _mark([_lforms_list()])


def _mark(files: Sequence[Path], *more: str) -> str:
    digest = hashlib.sha256("\n".join(more).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _stamp(folder: Path, mark: str) -> None:
    (folder / "installed").write_text(mark, encoding="utf-8")


def _stamped(folder: Path, mark: str) -> bool:
    stamp = folder / "installed"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == mark


@contextlib.contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """Two runs at once must not build one folder together; where the system has no flock the second one may fail."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        try:
            import fcntl
        except ImportError:
            yield
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path | None = None) -> None:
    """Run quietly; what the command said is shown only when it failed."""
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise CannotInstall(f"'{Path(command[0]).name}' ended with status {done.returncode}; its words are above")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install what was asked for; 0 when all went well or was only absent, 1 when it was demanded or broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers.install", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--all", action="store_true", help="every peer")
    parser.add_argument("--demand", action="store_true", help="a peer that cannot be had is an error")
    options = parser.parse_args(arguments)
    unknown = set(options.peers) - set(PEERS)
    if unknown or not (options.peers or options.all):
        parser.error(f"name one of {', '.join(PEERS)}, or say --all")
    absent = [name for name in PEERS if (options.all or name in options.peers) and not _install(name)]
    if absent:
        print(f"tests.peers: NOT THERE: {', '.join(absent)}. Tests that need them will be skipped.", file=sys.stderr)
    return 1 if absent and (options.demand or demanded()) else 0


def _install(name: str) -> bool:
    start = time.monotonic()
    print(f"tests.peers: {name} ...", flush=True)
    try:
        outcome = PEERS[name]()
    except CannotInstall as problem:
        print(f"tests.peers: {name} CANNOT BE USED: {problem}", file=sys.stderr, flush=True)
        return False
    print(f"tests.peers: {name} {outcome} ({time.monotonic() - start:.1f} s)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
