"""An empty Flask view: what HTTP itself costs here, to measure everything else against."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/webhooks/<vendor>")
def receive(vendor: str) -> Response:
    """Read the body, and say yes."""
    request.get_data(cache=False)
    return Response(b'{"status": "accepted"}', content_type="application/json")


@app.get("/healthz")
def healthz() -> Response:
    return Response(b"{}", content_type="application/json")
