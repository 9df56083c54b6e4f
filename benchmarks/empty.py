"""An empty Flask view: what HTTP itself costs here, to measure everything else against."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/webhooks/idngo")
def receive() -> Response:
    request.get_data(cache=False)
    return Response(b'{"status": "accepted"}', content_type="application/json")
