"""A client that a generator makes of the description, used against a service that runs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.receiver.connections.test_strangers import LINKER, OPERATOR, READER
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, erased, restricted
from tests.support.service import PROGRAMS, Service

PACKAGE = "standing_client"


@pytest.fixture
def generated(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a client that was made of the running service's description, on the path from which Python imports."""
    (tmp_path / "openapi.json").write_bytes(service.get("/openapi.json", token=None).body)
    # Its code is run as it is: nobody reads it.
    (tmp_path / "client.yml").write_text(json.dumps({"post_hooks": []}))
    arguments = ["--path", "openapi.json", "--config", "client.yml", "--meta", "none", "--output-path", PACKAGE, "--fail-on-warning"]
    program = [PROGRAMS / "openapi-python-client", "generate", *arguments]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / PACKAGE


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next test import a client of its own."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        monkeypatch.delitem(sys.modules, name)


def module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_a_generated_client_reads_and_acts(service: Service, generated: Path) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    fell = service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
    base, models = f"http://{service.address}:{service.port}", module("models")

    def client(token: str) -> Any:
        return module("client").AuthenticatedClient(base_url=base, token=token, raise_on_unexpected_status=True)

    with client(READER) as reader:
        applicant = module("api.api.get_applicant").sync("idngo", who, client=reader)
        assert (applicant.status, applicant.hits) == (models.Status.REJECTED, [models.Hit.SANCTIONS])
        assert isinstance(applicant.as_of, datetime)
        assert applicant.last_verdict.status is models.Status.REJECTED
        got = module("api.api.get_applicant").sync_detailed("idngo", who, client=reader)
        unchanged = module("api.api.get_applicant").sync_detailed("idngo", who, client=reader, if_none_match=got.headers["ETag"])
        assert unchanged.status_code == 304
        page = module("api.changes.list_changes").sync(client=reader, limit=1)
        second = module("api.changes.list_changes").sync(client=reader, after=page.next_cursor)
        assert [(one.to, one.reversal) for one in second.data] == [(models.Status.REJECTED, models.Reversal.ADVERSE)]
        refused = module("api.oncall.list_acts").sync(client=reader)
        assert (type(refused), refused.status) == (models.Problem, 403)
        listed = module("api.api.list_applicants").sync(client=reader, hit=models.Hit.SANCTIONS, vendor=models.VendorName.IDNGO)
        assert [one.reference for one in listed.data] == [who]
    with client(LINKER) as linker:
        linked = module("api.api.link_case").sync("case_1", client=linker, body=models.LinkRequest(external_user_id="customer-1"))
        assert linked.external_user_id == "customer-1"
    with client(OPERATOR) as operator:
        asked = models.ReplayRequest(reason="the mapping is repaired", ids=[fell["id"]])
        assert module("api.replays.ask_for_replay").sync(client=operator, body=asked).status is models.Stage.ASKED
        body = module("api.api.get_event_body").sync(fell["id"], client=operator)
        assert json.loads(body.payload.read())["applicantId"] == who


def test_a_generated_client_reads_what_an_erasure_leaves(service: Service, generated: Path) -> None:
    who, other = payloads.new_applicant(), payloads.new_applicant()
    for one in (who, other):
        service.told("idngo", payloads.idngo(one, answer="GREEN"))
    made = erased(service, vendor="idngo", reference=who)
    restricted(service, vendor="idngo", reference=other)
    base, models = f"http://{service.address}:{service.port}", module("models")
    with module("client").AuthenticatedClient(base_url=base, token=OFFICER, raise_on_unexpected_status=True) as officer:
        page = module("api.changes.list_changes").sync(client=officer)
        emptied, of_other, notice, _ = page.data
        assert [type(one) for one in (emptied, of_other, notice)] == [models.EmptiedChange, models.ApplicantChange, models.ErasureNotice]
        assert (of_other.applicant, notice.reference, notice.erasure_id) == (None, who, made)
        gone = module("api.api.get_applicant").sync("idngo", who, client=officer)
        assert (type(gone), gone.status, gone.erasure_id) == (models.Problem, 410, made)
        assert module("api.erasures.get_certificate").sync(made, client=officer).applicants == 1
        body = models.HoldRequest(external_user_id="user-1", reason="a lawsuit", review_at=datetime(2030, 1, 1, tzinfo=UTC))
        assert module("api.holds.place_hold").sync(client=officer, body=body).placed_by == "officer"
