"""Starts and stops the real servers on free ports of this machine; their data live in a folder removed at the end.

Each is a context manager: `with Sekmet() as server: requests.get(f"{server.base}/metadata")`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from . import install

HERE = Path(__file__).resolve().parent
START_SECONDS = 60.0
STOP_SECONDS = 12.0
START_TRIES = 3
LOG_TAIL = 4000
PORT_TAKEN = ("address already in use", "eaddrinuse")
SMART_TYPES = (
    "Patient",
    "Practitioner",
    "Questionnaire",
    "QuestionnaireResponse",
    "Flag",
    "DetectedIssue",
    "Task",
    "ServiceRequest",
    "Encounter",
    "Appointment",
    "Provenance",
)
SMART_SCOPES = " ".join(f"system/{name}.cruds" for name in SMART_TYPES)


class PeerMissing(RuntimeError):
    """The server is not installed here; the text says how to install it."""


class PeerFailed(RuntimeError):
    """The server is installed but did not come up; the text ends with the tail of its log."""


class Server:
    """One program on one port: start, wait until it answers, stop, remove what it wrote."""

    name: str = ""
    user: str = "-"
    stop_signal: str = "SIGTERM"

    def __init__(self) -> None:
        self.port = 0
        self.folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """The program and its arguments, for `self.port` and `self.folder`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write into `self.folder` what the program wants to find there."""

    def answers(self) -> bool:
        """Whether the server is ready now; called again and again while it starts."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What the program sees beside our own environment."""
        return {}

    @property
    def log(self) -> Path:
        """The file with everything that the server wrote to its terminal."""
        return self.folder / "log.txt"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start in a new folder. PeerMissing: not installed. PeerFailed: did not answer within a minute."""
        reason = install.missing(self.name)
        if reason:
            raise PeerMissing(reason)
        self.folder = Path(tempfile.mkdtemp(prefix=f"handrail-{self.name}-"))
        try:
            for tries_left in reversed(range(START_TRIES)):
                self.port = free_port()
                self.prepare()
                try:
                    self._launch()
                    return self
                except PeerFailed as failure:  # another program may have taken the port since we looked
                    if not tries_left or not any(text in str(failure).lower() for text in PORT_TAKEN):
                        raise
            raise AssertionError("unreachable")
        except BaseException:
            self.stop()
            raise

    def restart(self) -> Self:
        """Stop and start again on the same port with the same data, as after a crash or an update."""
        self._halt()
        self._launch()
        return self

    def stop(self) -> None:
        """Stop and remove all that was written; harmless when it never started."""
        self._halt()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _launch(self) -> None:
        guard = [sys.executable, str(HERE / "guard.py"), self.stop_signal, self.user, str(self.folder)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*guard, *self.command()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                start_new_session=True,  # Ctrl-C in the terminal is for the tests; they stop us
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None:
                self._fail(f"ended at once with status {self._process.returncode}")
            if time.monotonic() > deadline:
                self._fail(f"did not answer within {START_SECONDS:.0f} s")
            time.sleep(0.05)

    def _fail(self, what: str) -> None:
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
        self._halt()
        raise PeerFailed(f"{self.name} {what}. The end of its log:\n{tail}")

    def _halt(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            with contextlib.suppress(OSError):  # it has ended already
                process.stdin.write(b".")
                process.stdin.flush()
            with contextlib.suppress(OSError):
                process.stdin.close()  # the order to stop, see guard.py
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()


@dataclass(frozen=True)
class SmartClient:
    """A registered SMART Backend Services client: `private_key` is the path of a PEM file, `alg` RS384 or ES384."""

    client_id: str
    alg: str
    private_key: Path
    public_key: Path
    scopes: str = SMART_SCOPES


class Sekmet(Server):
    """sekmet-fhir on SQLite: stock, with the R4 search parameters it lacks (`search`), or behind SMART (`smart`).

    `smart` lists the algorithms to register a client for ("RS384", "ES384"); `clients` then has one for each and
    tokens live `token_lifetime` seconds.
    """

    name = "sekmet"

    def __init__(self, search: bool = False, smart: Sequence[str] = (), token_lifetime: int = 5) -> None:
        super().__init__()
        self._search = search
        self._smart = tuple(smart)
        self._token_lifetime = token_lifetime
        self.clients: dict[str, SmartClient] = {}

    @property
    def root(self) -> str:
        """The server's address without the FHIR path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return f"{self.root}/fhir"

    @property
    def token_url(self) -> str:
        """Where a SMART client gets its token."""
        return f"{self.root}/auth/token"

    def command(self) -> Sequence[str]:
        """`sekmet serve`, or our small script around the same application."""
        python = str(install.sekmet_python())
        if self._search:
            return [python, str(HERE / "sekmet_app.py"), str(self.port)]
        return [python, "-c", "from sekmet.cli import app; app()", "serve"]

    def environment(self) -> dict[str, str]:
        """Where the settings are; our own module path must not reach the other environment."""
        return {"SEKMET_CONFIG": str(self.folder / "settings.json"), "PYTHONPATH": "", "PYTHONUNBUFFERED": "1"}

    def prepare(self) -> None:
        """Write the settings (YAML, of which JSON is a part) and the clients' keys."""
        self.clients = {alg: make_smart_client(alg, self.folder) for alg in self._smart}
        settings = {
            "base_url": self.base,
            "host": "127.0.0.1",
            "port": self.port,
            "data_dir": str(self.folder / "data"),
            "simulator": {"enabled": False},
            "validation": {"inbound": "strict"},
            "log_inbound": False,
            "server_auth": self._auth_settings(),
        }
        (self.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")

    def _auth_settings(self) -> dict[str, object]:
        if not self.clients:
            return {"types": ["none"]}
        registered = [
            {"client_id": c.client_id, "public_key_path": str(c.public_key), "scopes": c.scopes}
            for c in self.clients.values()
        ]
        return {"types": ["smart"], "token_lifetime": self._token_lifetime, "smart_clients": registered}

    def answers(self) -> bool:
        """The CapabilityStatement can be read (it needs no token)."""
        return responds(f"{self.base}/metadata")


class Medplum(Server):
    """Medplum's FHIR router in memory behind `medplum/server.mjs`; with `token`, every request must bear it."""

    name = "medplum"

    def __init__(self, token: str | None = None) -> None:
        super().__init__()
        self._token = token

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return f"http://127.0.0.1:{self.port}/fhir/R4"

    def prepare(self) -> None:
        """Lay server.mjs beside the packages: Node looks for them upwards from the script."""
        shutil.copyfile(HERE / "medplum" / "server.mjs", self.folder / "server.mjs")
        packages = self.folder / "node_modules"
        if not packages.exists():
            link_folder(install.medplum_folder() / "node_modules", packages)

    def command(self) -> Sequence[str]:
        """Node on our small server."""
        return [shutil.which("node") or "node", str(self.folder / "server.mjs"), str(self.port)]

    def environment(self) -> dict[str, str]:
        """The token, when one is wanted."""
        return {"MEDPLUM_TOKEN": self._token} if self._token else {}

    def answers(self) -> bool:
        """The CapabilityStatement can be read (it needs no token)."""
        return responds(f"{self.base}/metadata")


class GraphQlMock(Server):
    """A GraphQL server of a schema, behind `graphql/server.mjs`: it answers any valid query with mocked values."""

    name = "graphql"

    def __init__(self, schema: Path) -> None:
        super().__init__()
        self._schema = schema

    @property
    def base(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}/graphql"

    def prepare(self) -> None:
        """Lay server.mjs beside the packages: Node looks for them upwards from the script."""
        shutil.copyfile(HERE / "graphql" / "server.mjs", self.folder / "server.mjs")
        packages = self.folder / "node_modules"
        if not packages.exists():
            link_folder(install.graphql_folder() / "node_modules", packages)

    def command(self) -> Sequence[str]:
        """Node on our small server."""
        return [shutil.which("node") or "node", str(self.folder / "server.mjs"), str(self.port), str(self._schema)]

    def answers(self) -> bool:
        """A query is answered."""
        return responds(f"{self.base}?query=%7B__typename%7D")


class Postgres(Server):
    """A throw-away PostgreSQL cluster: user `app`, no password, loopback only, no durability."""

    name = "postgres"
    stop_signal = "SIGINT"  # "fast": does not wait for clients to go

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count(1)
        self.user = unprivileged_user()

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the database `test`, which is there and empty at the start."""
        return self._url("test")

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://app@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and give back its SQLAlchemy address."""
        name = f"test_{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def copy_of(self, address: str) -> str:
        """Make a copy of a database that nobody has open, and give back its SQLAlchemy address."""
        name = f"test_{next(self._numbers)}"
        template = address.rpartition("/")[2]
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self._url(name)

    def prepare(self) -> None:
        """Make the cluster, once, as the user that may run it."""
        data = self.folder / "data"
        if data.exists():
            return
        if self.user != "-":
            shutil.chown(self.folder, self.user)
        command = [self._program("initdb"), "-D", str(data), "-U", "app", "--auth=trust", "--no-sync", "-E", "UTF8"]
        user = None if self.user == "-" else self.user
        groups: list[str] | None = [] if user else None
        with self.log.open("ab") as log:
            done = subprocess.run(
                [*command, "--locale=C"],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                check=False,
                user=user,
                group=user,
                extra_groups=groups,
            )
        if done.returncode:
            self._fail(f"could not make a cluster (status {done.returncode})")

    def command(self) -> Sequence[str]:
        """The server in the foreground; nothing is synced to disk, for the data are thrown away."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder) if os.name == "posix" else "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "50",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [self._program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]

    def _program(self, name: str) -> str:
        return shutil.which(name, path=install.postgres_bin()) or name

    def answers(self) -> bool:
        """It takes connections; at the first time the database `test` is made."""
        import psycopg

        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        try:
            self._execute("CREATE DATABASE test")
        except psycopg.errors.DuplicateDatabase:  # after a restart
            return True
        return True

    def _execute(self, statement: str) -> None:
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user=app dbname=postgres connect_timeout=5"
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.encode())


def free_port() -> int:
    """A port of the loopback address that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def responds(url: str) -> bool:
    """Whether the address answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def link_folder(source: Path, target: Path) -> None:
    """Make `target` show `source`; copies it where the system allows no symbolic link (Windows)."""
    try:
        target.symlink_to(source, target_is_directory=True)
    except OSError:
        shutil.copytree(source, target)


def unprivileged_user() -> str:
    """The user to run PostgreSQL as, which refuses to be root; "-" when we are not root ourselves."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "-"
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def make_smart_client(alg: str, folder: Path) -> SmartClient:
    """A new key pair in PEM files under `folder` and the client that it belongs to; `alg` is RS384 or ES384."""
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if alg == "RS384":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        key = ec.generate_private_key(ec.SECP384R1())
    client = SmartClient(f"handrail-{alg.lower()}", alg, folder / f"{alg}.pem", folder / f"{alg}.pub.pem")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    client.private_key.write_bytes(private)
    client.private_key.chmod(0o600)
    client.public_key.write_bytes(public)
    return client
