"""Ports: whether the web process and the console can listen where they are to."""

from __future__ import annotations

import socket

import click

from receiver.config import Settings
from store.system.logs import announce as say


def refuse_taken(host: str, port: int) -> None:
    """Refuse an address on which the web process cannot listen."""
    if why := _why_taken(host, port):
        raise click.ClickException(f"the web process cannot listen on {host}, port {port}: {why}. Set HOST and PORT.")


def has_room_for_the_console(settings: Settings) -> bool:
    """Return whether the console can listen. Without it everything else runs: no delivery waits for a console."""
    host, port = settings.console_host, settings.console_port
    if why := _why_taken(host, port):
        say(f"there is no console: it cannot listen on {host}, port {port}: {why}. Set CONSOLE_HOST and CONSOLE_PORT")
    return not why


def _why_taken(host: str, port: int) -> str | None:
    """Return why nothing can listen at an address; None if something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or "it is no address of this machine"
    return None
