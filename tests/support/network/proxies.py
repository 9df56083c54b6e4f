"""nginx, HAProxy and Caddy, each with its file of deploy/proxies, before a service on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.network.certificates import Certificate
from tests.support.service import end, eventually, free_port

FILES = Path(__file__).parents[3] / "deploy" / "proxies"

PROXIES = ("nginx", "haproxy", "caddy")

#: Where the files look for a certificate.
SHOWN = "/etc/ssl/standing"


@dataclass(frozen=True)
class Before:
    """What a proxy is put before: the ports of the web process and of the console, and the certificate that it shows."""

    web: int
    console: int
    certificate: Certificate


@contextmanager
def proxy(name: str, folder: Path, before: Before) -> Iterator[int]:
    """Run a proxy with its files in a folder. Gives the port on which it takes TLS."""
    port = free_port()
    program = {"nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy}[name](folder, before, port)
    with running(program, folder):
        eventually(lambda: listens(port), f"{name} to listen")
        yield port


@contextmanager
def running(program: list[str], folder: Path) -> Iterator[None]:
    """Run a proxy's program until the end; what it prints is in `proxy.log`."""
    if not shutil.which(program[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"):
        assert not os.environ.get("CI"), f"no {program[0]}"
        pytest.skip(f"no {program[0]}")
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    with (folder / "proxy.log").open("ab") as log:
        process = subprocess.Popen(program, env=os.environ | homes, stdout=log, stderr=log)
    try:
        yield
    finally:
        end(process)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _nginx(folder: Path, before: Before, port: int) -> list[str]:
    site = _here("nginx.conf", before, {"listen 443 ssl": f"listen 127.0.0.1:{port} ssl", **_pair(before)})
    return nginx_with(folder, site)


def nginx_with(folder: Path, site: str) -> list[str]:
    """Write nginx's own configuration around a site; give the program that runs it."""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; worker_processes 1; events {{ worker_connections 256; }}"
        f"http {{ access_log off; {temporary}\n{site}\n}}"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), "-p", str(folder)]


def _haproxy(folder: Path, before: Before, port: int) -> list[str]:
    both = folder / "certificate-and-key.pem"
    both.write_bytes(before.certificate.file.read_bytes() + before.certificate.key.read_bytes())
    text = _here(
        "haproxy.cfg",
        before,
        {"bind :443": f"bind 127.0.0.1:{port}", "    log /dev/log local0\n": "", f"{SHOWN}/certificate-and-key.pem": str(both)},
    )
    (folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def _caddy(folder: Path, before: Before, port: int) -> list[str]:
    text = _here("Caddyfile", before, {"standing.example.org {": f"https://:{port} {{\n\tbind 127.0.0.1", **_pair(before)})
    # A test opens no port but its own: no redirection from port 80, and no port of administration.
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def _pair(before: Before) -> dict[str, str]:
    return {f"{SHOWN}/certificate.pem": str(before.certificate.file), f"{SHOWN}/key.pem": str(before.certificate.key)}


def _here(file: str, before: Before, changes: dict[str, str]) -> str:
    """A proxy's file, with this machine's ports and certificate where it names others."""
    text = (FILES / file).read_text()
    changes = {"127.0.0.1:8000": f"127.0.0.1:{before.web}", "127.0.0.1:8001": f"127.0.0.1:{before.console}"} | changes
    for old, new in changes.items():
        assert old in text, f"{file} has no {old}"
        text = text.replace(old, new)
    return text
