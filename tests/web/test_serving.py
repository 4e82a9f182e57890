"""`handrail serve` as a process: where it listens, how it says so, many readers beside a writer, how it ends."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from handrail.plugin_core.cli import cli
from handrail.plugin_core.cli.serve import _renewed
from handrail.plugin_core.errors import UsageError
from handrail.plugin_core.settings import save
from handrail.plugin_core.store import book
from handrail.plugin_core.web.desk import Desk
from handrail.plugin_core.web.serving import check_place, make_server
from handrail.plugin_core.web.staff import Staff

from .people import House
from .running import running

Open = Callable[..., House]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_the_extra_one_sentence_says_what_to_install(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has no web server; a trace of an import would help nobody."""
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "flask" else found(name, *a))
    done = CliRunner().invoke(cli, ["--settings", str(house.desk.settings.file), "serve"])
    assert isinstance(done.exception, UsageError)
    assert "handrail[web]" in done.exception.message
    assert done.exception.exit_status == 2


def test_the_command_line_itself_imports_no_web_library() -> None:
    """`handrail sync` on a schedule must not need or pay for them."""
    code = (
        "import sys, handrail.plugin_core.cli, handrail.plugin_core.engine\n"
        "assert not {'flask', 'waitress', 'argon2', 'authlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "practice.example"])
def test_it_does_not_serve_a_network_without_encryption(open_house: Open, host: str) -> None:
    """Names and answers in clear on the practice's wireless network."""
    with pytest.raises(UsageError, match="without encryption"):
        check_place(open_house(host=host).desk)
    with pytest.raises(UsageError, match="without encryption"):
        check_place(open_house(host=host, address="http://desk.practice.example").desk)
    check_place(open_house(host=host, address="https://desk.practice.example", proxies=1).desk)


def test_a_port_that_is_taken_is_said(open_house: Open) -> None:
    """With what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="--port"):
            make_server(open_house(port=taken.getsockname()[1]).desk)


@pytest.fixture
def served(open_house: Open) -> Iterator[House]:
    """A desk that serves in this process."""
    house = open_house(port=free_port())
    with running(house.desk):
        yield house


def ask(house: House, path: str, cookie: str = "", **head: str) -> tuple[int, bytes]:
    line = http.client.HTTPConnection("127.0.0.1", house.desk.settings.web.port, timeout=30)
    line.request("GET", path, headers={"Cookie": f"handrail={cookie}", **head})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    return answer.status, body


def test_sixteen_readers_and_a_writer_get_on(served: House) -> None:
    """A sync writes while people read: nobody gets a fault, an old page or somebody else's page."""
    names = {ref: set(served.clients_of(ref).values()) for ref in served.clinicians()}
    tokens: dict[str, str] = {}
    for ref in names:
        account = served.account("clinician", login=f"u-{len(tokens)}", clinician=ref)
        tokens[ref] = served.ask(lambda e, account=account: Staff(e).begin(account))
    wrong: list[str] = []
    over = threading.Event()

    def write() -> None:
        # Between two pages a sync reads the next. One write upon the other without a pause would be another thing:
        # SQLite gives its lock to whoever asks first, and somebody may ask in vain as long as people wait.
        while not over.wait(0.01):
            served.ask(lambda e: e.store.write(lambda tx: book.record(tx, "sync", "writes"), e.source))

    def read(ref: str) -> None:
        others = set().union(*(names[other] for other in names if other != ref))
        for path in ("/clients", f"/client/{next(iter(served.clients_of(ref)))}", "/due", "/clients?which=new"):
            status, body = ask(served, path, tokens[ref])
            if status != 200 or any(name.encode() in body for name in others):
                wrong.append(f"{path} {status}")

    writer = threading.Thread(target=write)
    writer.start()
    readers = [threading.Thread(target=read, args=(ref,)) for ref in list(names) * 6][:16]
    for one in readers:
        one.start()
    for one in readers:
        one.join(60)
    over.set()
    writer.join(20)
    assert wrong == []


def test_an_engine_is_used_by_one_thread_at_a_time(house: House) -> None:
    """Two threads in one engine would share what is computed when first needed, and an adapter."""
    inside: dict[int, int] = {}
    clashes: list[int] = []

    def use() -> None:
        for _ in range(50):
            with house.desk.engine() as engine:
                if inside.setdefault(id(engine), threading.get_ident()) != threading.get_ident():
                    clashes.append(1)
                time.sleep(0.0005)
                del inside[id(engine)]

    threads = [threading.Thread(target=use) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert clashes == []


def test_the_proxys_word_on_the_address_counts_only_when_there_is_one(open_house: Open) -> None:
    """Else everybody could choose the address that failed tries are counted for."""
    house = open_house(port=free_port())
    seen: list[str | None] = []
    with running(house.desk) as server:
        house_app = server.application

        def noted(env: Any, start: Any) -> Any:
            seen.append(env.get("REMOTE_ADDR"))
            return house_app(env, start)

        server.application = noted
        ask(house, "/health", **{"X-Forwarded-For": "203.0.113.9"})
    assert seen == ["127.0.0.1"]


# --- as a process ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_serve_prints_the_first_link_and_ends_by_ctrl_c(house: House, tmp_path: Path) -> None:
    """The whole of a first evening: start, open the link, stop."""
    file, port = house.desk.settings.file, free_port()
    save(file, {"web.port": port})
    command = [sys.executable, "-m", "handrail.plugin_core.cli", "--settings", str(file), "serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert f"http://127.0.0.1:{port}" in first
        link = second.split()[-1]
        served = House(Desk(replace(house.desk.settings, web=replace(house.desk.settings.web, port=port))), house.clock)
        assert ask(served, "/clients")[0] == 302
        status, body = ask(served, link.partition(str(port))[2])
        assert status == 200
        assert b"You make the first account" in body
        served.desk.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "Traceback" not in errors
    assert process.returncode in (0, 1, 130, -signal.SIGINT)


def test_an_administrator_who_lost_the_password_gets_back_in(house: House) -> None:
    """Whoever may read the store's key on that computer may let somebody in anew; nobody else can."""
    house.account("clinician", login="bo")
    link = _renewed(house.desk, " The-First ")
    browser = house.browser()
    page = browser.get(link.partition(str(house.desk.settings.web.port))[2])
    assert page.status_code == 200
    assert "the-first" in page.text
    with pytest.raises(UsageError, match="no such account"):
        _renewed(house.desk, "nobody-here")


def test_a_desk_that_closes_leaves_no_connection_behind(house: House) -> None:
    """What a client sent just before the end is still taken in by a thread of its own: its connection, lent before or
    after the end, would hold the store's file until the program that embeds the desk ends."""
    lent, idle = house.desk.borrow(), house.desk.borrow()
    house.desk.give_back(idle)
    pools = [engine.store.engine.pool for engine in (lent, idle)]
    with lent.store.reading(lent.source) as tx:
        house.desk.close()
        assert tx.conn.exec_driver_sql("SELECT 1").scalar() == 1, "what is at work goes on"
    late = house.desk.borrow()
    pools.append(late.store.engine.pool)
    with late.store.reading(late.source):
        pass
    for engine in (lent, late):
        house.desk.give_back(engine)
    assert [pool.checkedin() for pool in pools] == [0, 0, 0]  # type: ignore[attr-defined]
