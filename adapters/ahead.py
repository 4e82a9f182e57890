"""Runs one call beside the caller, so that the next page is on its way while this one is worked on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

from ..plugin_core.threads import NoThread, started

T = TypeVar("T")


class Ahead(Generic[T]):
    """A call that has begun. The thread is a daemon, so that an interrupted program does not wait for a slow server.

    Where the system gives no thread, or none beside this one, the call is made when its value is asked for.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._value: list[T] = []
        self._error: BaseException | None = None
        language = copy_context()  # what is said of a fault is said in the caller's language
        thread = threading.Thread(target=language.run, args=(self._run,), name="handrail-next-page", daemon=True)
        self._thread = thread if started(thread) else None

    def _run(self) -> None:
        try:
            self._value.append(self._call())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, in whose thread it belongs
            self._error = error

    def is_here(self) -> bool:
        """Whether the value can be had without a wait. Of a call that failed there is none: it may be made again."""
        return bool(self._value)

    def result(self) -> T:
        """Waits for the value, or raises what the call raised."""
        if self._thread is not None:
            self._thread.join()
        if self._thread is None or isinstance(self._error, NoThread):  # the call wants a thread for itself
            return self._call()
        if self._error is not None:
            raise self._error
        return self._value[0]

    def settle(self, seconds: float) -> None:
        """Waits a while for the thread's end, whatever comes of it."""
        if self._thread is not None:
            self._thread.join(seconds)
