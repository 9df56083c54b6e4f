"""Access to the played vendors: `./dev up --played` and the play agree on it, and nothing of a real account is mixed in."""

from __future__ import annotations

import pytest

from receiver.simulator.played import access
from store.system.environment import Environment

KEPT = {"VAR_DIR": "/nonexistent", "PLAYED_KEY": "a key that is kept", "PLAYED_PORT": "8123"}


def test_a_service_is_led_to_the_play_with_the_credentials_that_the_play_knows() -> None:
    found = access.settings_of_a_service(Environment(KEPT))
    assert (found["IDNGO_API_URL"], found["API_ENVIRONMENT"]) == ("http://127.0.0.1:8123/idngo", "sandbox")
    known = access.credentials(Environment(KEPT))
    assert {name: found[name] for name in known} == known
    assert len(set(known.values())) == len(known)


def test_a_service_that_has_a_real_account_is_not_led_to_the_play() -> None:
    with pytest.raises(ValueError, match="IDENFY_API_KEY must not be set"):
        access.settings_of_a_service(Environment(KEPT | {"IDENFY_API_KEY": "a real one"}))


def test_settings_that_lead_to_the_play_already_may_stay() -> None:
    given = {name: value for name, value in access.settings_of_a_service(Environment(KEPT)).items() if "PRIVATE" not in name}
    assert access.settings_of_a_service(Environment(KEPT | given | {"NOTIFY_PRIVATE_HOSTS": "hooks.example"})) == {
        **given,
        "NOTIFY_PRIVATE_HOSTS": "hooks.example,127.0.0.1",
    }


def test_without_a_kept_key_the_credentials_are_random() -> None:
    drawn = [access.credentials(Environment({"VAR_DIR": "/nonexistent"})) for _ in range(2)]
    assert drawn[0] != drawn[1]
