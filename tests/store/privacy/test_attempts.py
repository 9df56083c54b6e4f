"""Failed attempts in the audit log: how they name whom they concern."""

from __future__ import annotations

import pytest

from store import database
from store.access import audit
from store.privacy import attempts
from store.privacy.attempts import Attempt
from store.system import clock
from store.text.states import ApplicantKey
from tests.support.privacy.erasing import erase_now
from tests.support.privacy.personal_data import known, of, see

pytestmark = pytest.mark.usefixtures("kept")


def attempt(key: ApplicantKey) -> Attempt:
    names = {"vendor": key.vendor, "reference": key.reference}
    return Attempt(actor="day", call="GET /v1/x", names=names, environment=key.environment, cause="right")


def test_an_attempt_names_an_applicant_plainly_only_if_it_is_known() -> None:
    gone, other = known("gone", last_event=clock.now()), known("other", last_event=clock.now())
    erase_now(of(gone))
    misspelt = [gone._replace(environment="sandbox"), gone._replace(vendor="IDnGO")]
    for key in (gone, *misspelt, other):
        attempts.record(attempt(key), read=database.read, write=database.write)
    subjects = [act.subject for act in see(audit.listing, action=attempts.ACTION, limit=9)]
    assert [subject.split()[0] for subject in subjects] == ["erased", "unknown", "unknown", "idngo"]
    assert (subjects[3], "gone" in str(subjects)) == ("idngo live other", False)
