"""Runs one command and ends it when whoever started us goes away, even by `kill -9`.

`python guard.py SIGNAL USER FOLDER COMMAND...` with a pipe on standard input: the end of that pipe is the order to
stop, and the system closes it for a process that died too, so no server outlives the test run that started it. Who
closes it on purpose writes a byte before; else the folder, which nobody will come back for, is removed. USER `-` is
ourselves.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 8.0


def main() -> int:
    """Run the command until it ends or standard input does; gives back the command's exit status."""
    stop_signal = getattr(signal, sys.argv[1])
    user = None if sys.argv[2] == "-" else sys.argv[2]
    folder = sys.argv[3]
    groups: list[str] | None = [] if user else None
    child = subprocess.Popen(sys.argv[4:], stdin=subprocess.DEVNULL, user=user, group=user, extra_groups=groups)
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)

    told_to_stop = threading.Event()

    def stop_at_end_of_input() -> None:
        on_purpose = False
        while os.read(0, 4096):  # past sys.stdin, whose lock would not survive the interpreter's shutdown
            on_purpose = True
        told_to_stop.set()
        child.send_signal(stop_signal)
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if not on_purpose:
            shutil.rmtree(folder, ignore_errors=True)

    watcher = threading.Thread(target=stop_at_end_of_input, daemon=True)
    watcher.start()
    status = child.wait()
    watcher.join(GRACE_SECONDS if told_to_stop.is_set() else 0.0)
    return status


if __name__ == "__main__":
    sys.exit(main())
