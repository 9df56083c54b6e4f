"""Strangers who send slowly: each holds a connection, and comes back as soon as it is let go."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable

HEAD = b"POST /webhooks/idngo HTTP/1.1\r\nHost: standing.example\r\n"
#: A wrong signature looks like a right one until the whole body is there.
FORGED = HEAD + b"x-payload-digest: " + b"0" * 64 + b"\r\n"


def mixed(number: int) -> bytes:
    """Heads, bodies and chunks, with a wrong signature and without one."""
    return (
        HEAD + b"X-Slow: ",
        FORGED + b"X-Slow: ",
        FORGED + b"Content-Length: 1000000\r\n\r\n",
        FORGED + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n",
        HEAD + b"Content-Length: 1000000\r\n\r\n",
        b"",
    )[number % 6]


class Dripping(threading.Thread):
    """Strangers who each send a byte now and then, and come back as soon as they are let go."""

    def __init__(self, port: int, number: int, begin: Callable[[int], bytes], drip: bytes, *, every: float = 1.0) -> None:
        super().__init__(daemon=True)
        self._port, self._number, self._begin, self._drip, self._every = port, number, begin, drip, every
        self._ended = threading.Event()
        #: How often one of them was let go.
        self.let_go = 0

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for number in range(self._number):
                self._open(selector, number)
            while not self._ended.is_set():
                began = time.monotonic()
                for key, _ in selector.select(0):
                    self._come_back(selector, key)
                for key in list(selector.get_map().values()):
                    try:
                        key.fileobj.send(self._drip)  # type: ignore[union-attr]
                    except OSError:
                        self._come_back(selector, key)
                self._ended.wait(max(0.0, began + self._every - time.monotonic()))
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _open(self, selector: selectors.BaseSelector, number: int) -> None:
        try:
            stranger = socket.create_connection(("127.0.0.1", self._port), timeout=2)
            stranger.setblocking(False)
            stranger.send(self._begin(number))
        except OSError:
            return
        selector.register(stranger, selectors.EVENT_READ, number)

    def _come_back(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        try:
            if key.fileobj.recv(65536):  # type: ignore[union-attr]
                return  # An answer; its end is still to come.
        except BlockingIOError:
            return
        except OSError:
            pass
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]
        self.let_go += 1
        self._open(selector, key.data)
