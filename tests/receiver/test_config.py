"""Settings: read from wherever the contract allows, and refused whole, by name, when they cannot be right."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver import config
from receiver.config import Settings
from receiver.vendors.base import SigningKey
from receiver.vendors.ifcgate import HexDigest, StandardWebhooks
from store import config as store_config
from store.access.tokens import Token, Tokens
from store.system import environment
from store.system.environment import Environment, Misconfigured
from tests.conftest import KEY
from tests.support import payloads, servers, signing
from tests.support.service import PROGRAMS, SECRETS, TOKENS, Service, free_port

#: In every value that is wrong, and in no message.
MARK = "geheim"
MARK_IN_BASE64 = "Z2VoZWlt"

#: What a process cannot do without.
NEEDED = {"VAR_DIR": "/nonexistent", "ENCRYPTION_KEYS": KEY}


def read(**variables: str) -> tuple[store_config.Settings, Settings]:
    """The settings of a web process with these variables. Raises Misconfigured."""
    environment = Environment(NEEDED | variables)
    stored, web = store_config.read(environment), config.read(environment)
    environment.check()
    return stored, web


def web(**variables: str) -> Settings:
    return read(**variables)[1]


def stored(**variables: str) -> store_config.Settings:
    return read(**variables)[0]


def refusal(**variables: str) -> str:
    """What a process says that cannot start with these variables."""
    with pytest.raises(Misconfigured) as told:
        read(**variables)
    return str(told.value)


def wrong_names(message: str) -> list[str]:
    """The variables that a message names: one a line, after the first."""
    return [line.split()[0] for line in message.splitlines()[1:]]


def file(folder: Path, content: str | bytes) -> str:
    path = folder / "setting"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


# what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "geheim"),
        ("DATABASE_URL", "mysql://user:geheim@host/db"),
        ("DATABASE_URL", "http://geheim"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("REDIS_URL", "geheim"),
        ("REDIS_URL", "http://user:geheim@host"),
        ("REDIS_URL", "REDIS://:geheim@host"),
        ("REDIS_URL", "rediss://:geheim@host/0?ssl_cert_reqs=CERT_NONE"),
        ("REDIS_URL", "rediss://:geheim@host/0?ssl_cert_reqs="),
        ("REDIS_URL", "rediss://:geheim@host/0?ssl_ca_certs=/nonexistent/geheim"),
        ("REDIS_URL", "rediss://:geheim@host/0?ssl_ca_certs=%00geheim"),
        ("REDIS_URL", "rediss://:geheim@host/0?ssl_ca_path=" + "geheim" * 1000),
        ("REDIS_URL", "rediss://:geheim@host/0?ssl_min_version=geheim"),
        ("REDIS_URL", "redis://:geheim@host/0?ssl_cert_reqs=none"),
        ("REDIS_URL", "redis://:geheim@.bad./0"),
        ("REDIS_URL", "redis://:geheim@" + "x" * 64 + "/0"),
        ("REDIS_URL", "redis://:geheim@ho st/0"),
        ("REDIS_URL", "redis://:geheim@ho%00st/0"),
        ("REDIS_URL", "redis://:geheim@[bad]/0"),
        ("REDIS_URL", "redis://:geheim@[::1/0"),
        ("REDIS_URL", "redis://:geheim@host:0/0"),
        ("REDIS_URL", "redis://:geheim@host:65536/0"),
        ("REDIS_URL", "redis://:geheim@host:-1/0"),
        ("REDIS_URL", "redis://host:geheim/0"),
        ("REDIS_URL", "redis://:ge/heim@host/0"),
        ("REDIS_URL", "redis://:ge#heim@host/0"),
        ("REDIS_URL", "redis://:geheim@host/geheim"),
        ("REDIS_URL", "redis://:geheim@host/-1"),
        ("REDIS_URL", "redis://:geheim@host/1/2"),
        ("REDIS_URL", "redis://:geheim@host?db=geheim"),
        ("REDIS_URL", "redis://:geheim@host?db=-1"),
        ("REDIS_URL", "redis://:geheim@host?geheim=1"),
        ("REDIS_URL", "redis://:geheim@host?retry=geheim"),
        ("REDIS_URL", "redis://:geheim@host?parser_class=geheim"),
        ("REDIS_URL", "redis://:geheim@host?connection_class=geheim"),
        ("REDIS_URL", "redis://:geheim@host?encoding=geheim"),
        ("REDIS_URL", "redis://:geheim@host?protocol=9"),
        ("REDIS_URL", "redis://:geheim@host?socket_timeout=-1"),
        ("REDIS_URL", "redis://:geheim@host?socket_timeout=nan"),
        ("REDIS_URL", "redis://:geheim@host?socket_connect_timeout=geheim"),
        ("REDIS_URL", "redis://:geheim@host?health_check_interval=geheim"),
        ("REDIS_URL", "redis://:geheim@host?max_connections=0"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1,s2"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1,s2/"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1:99999/queue"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1:geheim/queue"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1,ho st/queue"),
        ("REDIS_URL", "redis+sentinel://:geheim@,s2/queue"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1/queue/geheim"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1/queue?geheim=1"),
        ("REDIS_URL", "redis+sentinel://:geheim@s1/queue?ssl_cert_reqs=none"),
        ("REDIS_URL", "redis+sentinel://:ge#heim@s1/queue"),
        ("REDIS_URL", "redis+sentinel://:ge/heim@s1/queue"),
        ("REDIS_URL", "rediss+sentinel://:geheim@s1/queue?ssl_ca_certs=/nonexistent/geheim"),
        ("REDIS_URL", "unix+sentinel://:geheim@s1/queue"),
        ("REDIS_URL", "unix://"),
        ("REDIS_URL", "unix:///"),
        ("REDIS_URL", "unix://geheim/valkey.sock"),
        ("REDIS_URL", "unix:///geheim%00"),
        ("REDIS_URL", "unix:///" + "geheim" * 30),
        ("DATABASE_URL", "postgresql://user:geheim@host:99999/db"),
        ("DATABASE_URL", "postgresql://user:geheim@host:0/db"),
        ("DATABASE_URL", "postgresql://user:geheim@host:port/db"),
        ("DATABASE_URL", "postgresql://user:geheim@.bad./db"),
        ("DATABASE_URL", "postgresql://user:geheim@ho st/db"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db?geheim=1"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db?sslmode=geheim"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db?connect_timeout=geheim"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db?plugin=geheim"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db%00"),
        ("DATABASE_URL", "postgresql://user:geheim@h1:5432,h2:99999/db"),
        ("DATABASE_URL", "postgresql://user:geheim@h1,ho st/db"),
        ("DATABASE_URL", "postgresql://user:geheim@h1,,h2/db"),
        ("DATABASE_URL", "postgresql://user:geheim@h1:geheim,h2/db"),
        ("DATABASE_URL", "postgresql://user:geheim@h1:5432,h2/db?host=h3"),
        ("DATABASE_URL", "postgresql://user:geheim@/db?host=h1,h2&port=1,2,3"),
        ("DATABASE_URL", "postgresql://user:geheim@h1,h2/db?target_session_attrs=geheim"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db?sslrootcert=/nonexistent/geheim"),
        ("DATABASE_URL", "postgresql://user:geheim@host/db?sslcert=system"),
        ("DATABASE_URL", "postgresql+psycopg2://user:geheim@host/db"),
        ("DATABASE_URL", "sqlite:////tmp"),
        ("DATABASE_URL", "sqlite://geheim/db"),
        ("DATABASE_URL", "sqlite:////tmp/x?geheim=1"),
        ("DATABASE_URL", "sqlite:///file::memory:?cache=shared&uri=true"),
        ("KEEPALIVE_SECONDS", "geheim"),
        ("KEEPALIVE_SECONDS", "0"),
        ("KEEPALIVE_SECONDS", "-1"),
        ("KEEPALIVE_SECONDS", "7.5"),
        ("KEEPALIVE_SECONDS", "100000"),
        ("TRUSTED_PROXIES", "geheim"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,geheim"),
        ("TRUSTED_PROXIES", "*"),
        ("PORT", "geheim"),
        ("PORT", "0"),
        ("PORT", "-8000"),
        ("PORT", "80.5"),
        ("PORT", "８０００"),
        ("MAX_BODY_BYTES", "5 MiB geheim"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_BODY_BYTES", "1e6"),
        ("WEB_CONCURRENCY", "geheim"),
        ("WEB_CONNECTIONS", "0"),
        ("ENCRYPTION_KEYS", "geheim!"),
        ("ENCRYPTION_KEYS", "Z2VoZWlt"),
        ("ENCRYPTION_KEYS", f"{KEY},Z2VoZWlt"),
        ("ENCRYPTION_KEYS", "ä" * 44),
        ("ENCRYPTION_KEYS", KEY[:-1]),
        ("ENCRYPTION_KEYS", "00" * 32),
        ("IFCGATE_SECRETS", "geheim"),
        ("IFCGATE_SECRETS", "whsec_geheim!"),
        ("IFCGATE_SECRETS", "whsec_geheim"[:-1]),
        ("IFCGATE_SECRETS", "whsec_"),
        ("IFCGATE_SECRETS", "Z2VoZWlt"),
        ("IFCGATE_SANDBOX_SECRETS", "whsec_ä"),
        ("IFCGATE_SIGNATURE", "geheim"),
        ("IFCGATE_SIGNATURE", "hmac-sha256-hex"),
        ("IFCGATE_SIGNATURE", "hmac-sha256-hex:"),
        ("IFCGATE_SIGNATURE", "hmac-sha256-hex:X geheim"),
        ("IFCGATE_SIGNATURE", "hmac-sha256-hex:X-ä"),
        ("IFCGATE_SIGNATURE", "hmac-sha1-hex:X-Geheim"),
        ("IFCGATE_SIGNATURE", "standard-webhooks:X-Geheim"),
        ("IDNGO_DIGEST_ALGORITHMS", "geheim"),
        ("IDNGO_DIGEST_ALGORITHMS", "HMAC_SHA256_HEX,HMAC_MD5_HEX"),
        ("IDNGO_DIGEST_ALGORITHMS", "hmac_sha256_hex"),
        ("READ_TOKENS", "sha256:geheim"),
        ("LINK_TOKENS", "linker=sha256:geheim"),
        ("LINK_TOKENS", "linker=geheim"),
        ("READ_TOKENS", "fifteen-geheim!"),
        ("OPERATOR_TOKENS", "fine=a-token-that-is-fine,night=sha256:" + "a" * 63),
        ("OPERATOR_TOKENS", "a-nameless-geheim-token"),
        ("PRIVACY_TOKENS", "a-nameless-geheim-token"),
        ("METRICS_TOKENS", "sha256:"),
    ],
)
def test_a_wrong_value_is_told_by_its_name_and_not_repeated(name: str, value: str) -> None:
    message = refusal(**{name: value})
    assert wrong_names(message) == [name]
    assert [secret for secret in (MARK, MARK_IN_BASE64, KEY) if secret.lower() in message.lower()] == []


@pytest.mark.parametrize("value", [None, ""])
def test_a_process_does_not_start_without_a_key_for_data_at_rest(value: str | None) -> None:
    environment = Environment({"VAR_DIR": "/nonexistent"} | ({} if value is None else {"ENCRYPTION_KEYS": value}))
    store_config.read(environment)
    (problem,) = environment.problems
    assert problem.startswith("ENCRYPTION_KEYS is missing: base64 of 32 random bytes each, newest first")
    assert "/nonexistent/secrets" in problem


def test_all_that_is_wrong_is_told_in_one_error() -> None:
    message = refusal(
        DATABASE_URL="mysql://geheim",
        REDIS_URL="geheim",
        ENCRYPTION_KEYS="geheim",
        PORT="geheim",
        MAX_BODY_BYTES="geheim",
        IFCGATE_SECRETS="geheim",
        IDNGO_DIGEST_ALGORITHMS="geheim",
        IDENFY_SECRETS="geheim",
        IDENFY_SECRETS_FILE="/nonexistent/geheim",
        READ_TOKENS="sha256:geheim",
        LINK_TOKENS_FILE="/nonexistent/geheim",
    )
    assert sorted(wrong_names(message)) == [
        "DATABASE_URL", "ENCRYPTION_KEYS", "IDENFY_SECRETS", "IDNGO_DIGEST_ALGORITHMS", "IFCGATE_SECRETS", "LINK_TOKENS_FILE",
        "MAX_BODY_BYTES", "PORT", "READ_TOKENS", "REDIS_URL",
    ]  # fmt: skip
    assert MARK not in message


def test_of_several_entries_the_wrong_ones_are_told_by_their_place() -> None:
    message = refusal(IFCGATE_SECRETS=f"{signing.IFCGATE_SECRET},geheim,whsec_Z2VoZWlt,whsec_!")
    assert [line.strip() for line in message.splitlines()[1:]] == [
        "IFCGATE_SECRETS (entry 2) is not whsec_ and base64",
        "IFCGATE_SECRETS (entry 4) is not whsec_ and base64",
    ]


@pytest.mark.parametrize(
    ("vendor", "live", "sandbox"),
    [
        ("IDNGO", "geheim", "geheim"),
        ("IDENFY", "one,geheim", "another,geheim"),
        ("IFCGATE", "whsec_Z2VoZWlt", "whsec_Z2VoZWlt"),
    ],
)
def test_a_secret_cannot_be_for_both_environments(vendor: str, live: str, sandbox: str) -> None:
    message = refusal(**{f"{vendor}_SECRETS": live, f"{vendor}_SANDBOX_SECRETS": sandbox})
    assert f"{vendor}_SECRETS" in message
    assert f"{vendor}_SANDBOX_SECRETS" in message
    assert MARK not in message


#: By `sha256sum`.
LONG_ENOUGH = "133bbbab9c98c399682acd6620c6318e95a2e98361135490f97331f6207c5a10"


@pytest.mark.parametrize(
    "secrets",
    [
        {"IDNGO_SECRETS": "geheim", "IDENFY_SECRETS": "geheim"},
        {"IDNGO_SECRETS": "geheim", "IDENFY_SANDBOX_SECRETS": "another,geheim"},
        {"IFCGATE_SECRETS": "whsec_Z2VoZWlt", "IDNGO_SECRETS": "whsec_Z2VoZWlt"},
        {"IFCGATE_SECRETS": "whsec_Z2VoZWlt", "IDENFY_SECRETS": "geheim"},
    ],
    ids=str,
)
def test_two_vendors_do_not_share_a_secret(secrets: dict[str, str]) -> None:
    message = refusal(**secrets)
    assert "have one secret in common" in message
    assert MARK not in message


@pytest.mark.parametrize(
    ("tokens", "names"),
    [
        ({"READ_TOKENS": "oops=geheim-and-long-enough", "OPERATOR_TOKENS": "day=geheim-and-long-enough"}, ["OPERATOR_TOKENS"]),
        ({"OPERATOR_TOKENS": "day=geheim-and-long-enough,night=geheim-and-long-enough"}, ["OPERATOR_TOKENS"]),
        ({"READ_TOKENS": "geheim-and-long-enough", "PRIVACY_TOKENS": f"a=sha256:{LONG_ENOUGH}"}, ["PRIVACY_TOKENS"]),
        ({"LINK_TOKENS": "geheim-and-long-enough", "METRICS_TOKENS": "geheim-and-long-enough"}, ["METRICS_TOKENS"]),
        ({"OPERATOR_TOKENS": ",".join(f"{name}=geheim-and-long-enough-{name}" for name in ("Day", "day", "DAY"))}, ["OPERATOR_TOKENS"]),
        (
            {
                "LINK_TOKENS": "day=geheim-and-long-enough-1",
                "OPERATOR_TOKENS": "Day=geheim-and-long-enough-2",
                "METRICS_TOKENS": "DAY=geheim-and-long-enough-3",
            },
            ["METRICS_TOKENS"],
        ),
    ],
    ids=str,
)
def test_a_token_stands_in_one_list_once_and_a_person_has_two_at_most(tokens: dict[str, str], names: list[str]) -> None:
    message = refusal(**tokens)
    assert wrong_names(message) == names
    assert MARK not in message


def test_a_person_may_have_two_tokens_in_one_list_or_in_two() -> None:
    two = web(OPERATOR_TOKENS="day=one-that-is-long-enough,Day=another-that-is-long-enough").tokens.operator
    assert {token.person for token in two} == {"day"}
    both = web(LINK_TOKENS="day=one-that-is-long-enough", OPERATOR_TOKENS="Day=another-that-is-long-enough").tokens
    assert (both.link[0].person, both.operator[0].person) == ("day", "day")


@pytest.mark.parametrize("given", ["two", "yes", "All"])
def test_how_many_persons_a_decision_takes_is_one_of_two_words(given: str) -> None:
    assert wrong_names(refusal(TWO_PERSONS=given)) == ["TWO_PERSONS"]


@pytest.mark.parametrize(
    "name",
    ["PORT", "WEB_CONCURRENCY", "WEB_CONNECTIONS", "MAX_BODY_BYTES", "SPOOL_BYTES_MAX", "REVIEW_HOURS_MAX", "ATTEMPTS_MAX",
     "RETRY_BASE_SECONDS", "RETRY_LIMIT_SECONDS", "EVENT_SECONDS_MAX", "RECONCILE_HOURS", "REACTION_ATTEMPTS_MAX",
     "REACTION_SECONDS_MAX", "WORKER_BYTES_MAX"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["0", "-1", "1e3", "NaN", "inf", "0x10", "1.5", "9" * 18, "9" * 400, "١٢"])
def test_a_number_that_is_out_of_bounds_is_told(name: str, value: str) -> None:
    environment = Environment({"VAR_DIR": "/nonexistent", "ENCRYPTION_KEYS": KEY, name: value})
    for reads in (store_config.read, config.read, *store_config.registered()):
        reads(environment)
    assert [problem.split()[0] for problem in environment.problems] == [name]


# a process that is misconfigured ------------------------------------------------------------------------------

BROKEN = {
    "DATABASE_URL": "mysql://user:geheim@host/db",
    "REDIS_URL": "http://geheim",
    "ENCRYPTION_KEYS": "geheim",
    "MAX_BODY_BYTES": "geheim",
    "IFCGATE_SECRETS": "whsec_geheim!",
    "IDNGO_DIGEST_ALGORITHMS": "geheim",
    "IFCGATE_SIGNATURE": "geheim",
    "READ_TOKENS": "sha256:geheim",
    "OPERATOR_TOKENS_FILE": "/nonexistent/geheim",
}


@pytest.mark.parametrize("command", [["standing", "web"], ["gunicorn", "--config", "python:receiver.gunicorn_config"]], ids=" ".join)
def test_a_misconfigured_process_does_not_start_and_says_why(command: list[str], tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "VAR_DIR": str(tmp_path / "var"), "PORT": str(free_port())} | BROKEN
    program, *arguments = command
    ended = subprocess.run(
        [PROGRAMS / program, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert [name for name in BROKEN if name not in said] == []
    assert MARK not in said
    assert "Listening at" not in said


# defaults -----------------------------------------------------------------------------------------------------


def test_what_is_not_set_has_the_contracts_default() -> None:
    store_settings, settings = read(VAR_DIR="/nonexistent")
    assert (settings.host, settings.port, settings.max_body_bytes) == ("127.0.0.1", 8000, 5_242_880)
    assert settings.senders == {}
    assert settings.tokens == Tokens(read=(), link=(), starter=(), operator=(), privacy=(), metrics=())
    assert (settings.keepalive_seconds, settings.trusted_proxies) == (75, ())
    assert store_settings.database_url == "sqlite:////nonexistent/standing.sqlite3"
    assert store_settings.redis_url == "unix:///nonexistent/run/valkey.sock"


def test_data_is_kept_in_var_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = store_config.read(Environment({"ENCRYPTION_KEYS": KEY}))
    assert (settings.var_dir, settings.database_url) == (tmp_path / "var", f"sqlite:///{tmp_path}/var/standing.sqlite3")


def test_a_vendors_way_of_signing_has_the_contracts_default() -> None:
    senders = web(IFCGATE_SECRETS="whsec_Z2VoZWlt", IDNGO_SECRETS="a", IDENFY_SECRETS="b").senders
    idngo = senders["idngo"].scheme
    assert isinstance(senders["ifcgate"].scheme, StandardWebhooks)
    assert vars(idngo) == {
        "accepted": ("HMAC_SHA256_HEX", "HMAC_SHA512_HEX"),
        "signature_header": "x-payload-digest",
        "algorithm_header": "x-payload-digest-alg",
    }


def test_an_empty_list_is_as_good_as_none() -> None:
    settings = web(IDNGO_SECRETS="", READ_TOKENS="", IDNGO_DIGEST_ALGORITHMS="")
    assert (settings.senders, settings.tokens.read) == ({}, ())


@pytest.mark.parametrize("empty", [" ", ",", " , "])
def test_a_list_that_is_given_and_names_nothing_is_wrong(empty: str) -> None:
    assert wrong_names(refusal(IDNGO_SECRETS=empty, READ_TOKENS=empty)) == ["IDNGO_SECRETS", "READ_TOKENS"]


# where a setting comes from -----------------------------------------------------------------------------------


def keys(vendor: str, **variables: str) -> list[tuple[bytes, str]]:
    return [(key.secret, key.environment) for key in web(**variables).senders[vendor].keys]


def test_a_list_in_the_environment_is_separated_by_commas() -> None:
    assert keys("idngo", IDNGO_SECRETS=" one,two , ,three,", IDNGO_SANDBOX_SECRETS="four") == [
        (b"one", "live"), (b"two", "live"), (b"three", "live"), (b"four", "sandbox"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content", ["one\ntwo, with a comma\nthrée\n", "one\r\ntwo, with a comma\r\nthrée", "\n one \n\ntwo, with a comma\n thrée\n"]
)
def test_a_list_in_a_file_has_one_entry_a_line(content: str, tmp_path: Path) -> None:
    found = keys("idenfy", IDENFY_SECRETS_FILE=file(tmp_path, content))
    assert found == [(b"one", "live"), (b"two, with a comma", "live"), ("thrée".encode(), "live")]


def test_a_single_value_may_come_from_a_file(tmp_path: Path) -> None:
    assert web(PORT_FILE=file(tmp_path, "8081\n")).port == 8081
    assert stored(DATABASE_URL_FILE=file(tmp_path, "postgresql://host/db\n")).database_url == "postgresql://host/db"


@pytest.mark.parametrize("name", ["PORT", "IDNGO_SECRETS", "READ_TOKENS", "ENCRYPTION_KEYS", "DATABASE_URL", "IFCGATE_SIGNATURE"])
def test_a_setting_and_its_file_exclude_each_other(name: str, tmp_path: Path) -> None:
    message = refusal(**{"ENCRYPTION_KEYS": KEY, name: "geheim", f"{name}_FILE": file(tmp_path, "geheim")})
    assert f"{name} and {name}_FILE are both set" in message
    assert MARK not in message


@pytest.mark.parametrize("name", ["PORT", "IDNGO_SECRETS", "READ_TOKENS", "DATABASE_URL", "ENCRYPTION_KEYS", "IFCGATE_SIGNATURE"])
@pytest.mark.parametrize("unreadable", ["missing", "a folder", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_told_by_the_variable_that_names_it(name: str, unreadable: str, tmp_path: Path) -> None:
    path = {"missing": "/nonexistent/geheim", "a folder": str(tmp_path), "not UTF-8": file(tmp_path, b"\xff\xfe geheim")}[unreadable]
    variables = {"VAR_DIR": "/nonexistent", "ENCRYPTION_KEYS": KEY, f"{name}_FILE": path}
    if name == "ENCRYPTION_KEYS":
        del variables[name]
    environment = Environment(variables)
    store_config.read(environment)
    config.read(environment)
    assert [problem.split()[0] for problem in environment.problems] == [f"{name}_FILE"]
    assert path not in environment.problems[0]


def made(folder: Path, name: str, value: str) -> dict[str, str]:
    """An environment in which `./dev up` made a setting."""
    environment.secrets_dir(folder).mkdir(exist_ok=True)
    (environment.secrets_dir(folder) / name).write_text(value + "\n")
    return {"VAR_DIR": str(folder)}


def test_what_was_made_on_the_first_run_is_read_last(tmp_path: Path) -> None:
    variables = made(tmp_path, "IDNGO_SECRETS", "made")
    assert keys("idngo", **variables) == [(b"made", "live")]
    assert keys("idngo", **variables, IDNGO_SECRETS="given") == [(b"given", "live")]
    assert keys("idngo", **variables, IDNGO_SECRETS_FILE=file(tmp_path, "from a file")) == [(b"from a file", "live")]


# tokens -------------------------------------------------------------------------------------------------------

#: Digests by `sha256sum`.
READ_ME = bytes.fromhex("a634909363dad0200568001ff356af5dc4bc08557a35a6354e36c694081cbc5f")
BASE64 = bytes.fromhex("d831dd4965e8daab8c990e18909bfa3c92b29e608222105fff65a2713b5792d3")


@pytest.mark.parametrize(
    ("entry", "token"),
    [
        ("read-me-if-you-may", Token(name="token a6349093", digest=READ_ME, is_named=False)),
        ("reader=read-me-if-you-may", Token(name="reader", digest=READ_ME)),
        (f"sha256:{READ_ME.hex()}", Token(name="token a6349093", digest=READ_ME, is_named=False)),
        (f"reader=sha256:{READ_ME.hex().upper()}", Token(name="reader", digest=READ_ME)),
        ("c2VjcmV0K3Rva2Vu==", Token(name="token d831dd49", digest=BASE64, is_named=False)),
        ("reader=c2VjcmV0K3Rva2Vu==", Token(name="reader", digest=BASE64)),
    ],
)
def test_a_token_is_plain_or_a_digest_with_or_without_a_name(entry: str, token: Token) -> None:
    assert web(READ_TOKENS=entry).tokens.read == (token,)
    assert web(LINK_TOKENS=f"another-that-is-long,{entry}").tokens.link[1:] == (token,)


def test_no_token_is_kept_or_shown_in_the_clear() -> None:
    assert "read-me-if-you-may" not in repr(
        web(READ_TOKENS="reader=read-me-if-you-may,read-me-if-you-may-too", METRICS_TOKENS="measure-me-if-you-may")
    )


# databases, queues, ways of signing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("postgres://user:pw@host/db", "postgresql://user:pw@host/db"),
        ("postgresql://user@host:5433/db?sslmode=require", "postgresql://user@host:5433/db?sslmode=require"),
        ("sqlite:////var/lib/standing.sqlite3", "sqlite:////var/lib/standing.sqlite3"),
        ("postgres://u:p%40,w@h1:5433,h2/db", "postgresql://u:p%40,w@/db?host=h1%2Ch2&port=5433%2C5432"),
        (
            "postgresql://[::1]:5433,[fe80::1]/db?sslmode=require",
            "postgresql:///db?host=%3A%3A1%2Cfe80%3A%3A1&port=5433%2C5432&sslmode=require",
        ),
        ("postgresql://u@%2Frun%2Fpostgresql/db", "postgresql://u@/db?host=%2Frun%2Fpostgresql&port=5432"),
        ("postgresql:///db?host=h1:5432&host=h2:5432", "postgresql:///db?host=h1:5432&host=h2:5432"),
        ("postgresql://h1,h2/db?application_name=a@b", "postgresql:///db?host=h1%2Ch2&port=5432%2C5432&application_name=a@b"),
        ("postgresql://u@host/db?sslrootcert=system&sslmode=verify-full", "postgresql://u@host/db?sslrootcert=system&sslmode=verify-full"),
    ],
)
def test_a_database_is_a_file_or_a_postgresql(given: str, read_as: str) -> None:
    assert stored(DATABASE_URL=given).database_url == read_as


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:6379/0",
        "redis://host",
        "redis://[::1]:6379/15",
        "redis://:p%40%2F%23@10.0.0.1/0?socket_timeout=2&health_check_interval=0",
        "rediss://user:pw@host/1",
        "rediss://user:pw@bücher.example/1?ssl_cert_reqs=none&ssl_check_hostname=false&protocol=3",
        "redis+sentinel://s1:26379,s2,[::1]:26380/queue",
        "redis+sentinel://user:p%40%2Fw@s1,s2/queue/15?sentinel_username=watch&sentinel_password=%26&socket_timeout=2",
        "rediss+sentinel://:pw@s1,s2/queue?ssl_check_hostname=false&ssl_cert_reqs=none",
        "unix:///run/valkey.sock",
        "unix://user:pw@/run/valkey.sock?db=3",
    ],
)
def test_a_queue_is_reached_over_tcp_tls_a_socket_or_by_sentinels(url: str) -> None:
    assert stored(REDIS_URL=url).redis_url == url


def test_keys_for_data_at_rest_are_told_newest_first() -> None:
    # 32 bytes of 1 and of 2.
    old, new = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
    assert stored(ENCRYPTION_KEYS=f"{new},{old}").encryption_keys == (b"\2" * 32, b"\1" * 32)


def test_ifcgates_secrets_are_text_in_the_hex_scheme_and_base64_in_the_other() -> None:
    secret = {"IFCGATE_SECRETS": "whsec_Z2VoZWlt"}
    standard, hexadecimal = web(**secret), web(**secret, IFCGATE_SIGNATURE="hmac-sha256-hex:X-Ifcgate-Digest")
    assert standard.senders["ifcgate"].keys == (SigningKey(secret=b"geheim", environment="live"),)
    assert hexadecimal.senders["ifcgate"].keys == (SigningKey(secret=b"whsec_Z2VoZWlt", environment="live"),)
    assert hexadecimal.senders["ifcgate"].scheme == HexDigest("X-Ifcgate-Digest")


@pytest.mark.parametrize("value", ["standard-webhooks", " standard-webhooks "])
def test_standard_webhooks_may_be_named(value: str) -> None:
    assert isinstance(web(IFCGATE_SECRETS="whsec_Z2VoZWlt", IFCGATE_SIGNATURE=value).senders["ifcgate"].scheme, StandardWebhooks)


# all of it, from files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def from_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A web process whose every secret comes from a file, that has the secrets of one vendor alone, and only readers."""
    folder = tmp_path_factory.mktemp("from-files")
    database = f"sqlite:///{folder / 'standing.sqlite3'}"
    servers.migrate(database)
    contents = {
        "DATABASE_URL": database,
        "ENCRYPTION_KEYS": KEY,
        "IDNGO_SECRETS": f"a former secret, with a comma\n{signing.IDNGO_SECRET}",
        "READ_TOKENS": f"a-plain-token-of-a-line\nnamed=a-named-token-of-a-line\nc2VjcmV0K3Rva2Vu==\nhashed=sha256:{READ_ME.hex()}",
        "METRICS_TOKENS": "scraper=measure-me-if-you-may",
    }
    for name, content in contents.items():
        (folder / name).write_text(content + "\n")
    unset = dict.fromkeys(SECRETS | TOKENS, "")
    files = {f"{name}_FILE": str(folder / name) for name in contents}
    with Service(folder, unset | files | {"REDIS_URL": "unix:///nonexistent.sock"}, worker=False) as running:
        yield running


@pytest.mark.parametrize("token", ["a-plain-token-of-a-line", "a-named-token-of-a-line", "c2VjcmV0K3Rva2Vu==", "read-me-if-you-may"])
def test_a_token_opens_however_it_is_configured(from_files: Service, token: str) -> None:
    assert from_files.get("/v1/applicants", token=token).status == 200


@pytest.mark.parametrize(
    "token", ["named=read", "named", "c2VjcmV0K3Rva2Vu", f"sha256:{READ_ME.hex()}", READ_ME.hex(), "plain\tx", "PLAIN"]
)
def test_what_only_resembles_a_token_does_not_open(from_files: Service, token: str) -> None:
    assert from_files.get("/v1/applicants", token=token).status == 401


def test_a_secret_from_a_file_lets_its_vendor_in(from_files: Service) -> None:
    for secret in (signing.IDNGO_SECRET, "a former secret, with a comma"):
        assert from_files.kept("idngo", payloads.idngo(payloads.new_applicant()), secret=secret)


@pytest.mark.parametrize("vendor", ["ifcgate", "idenfy"])
def test_a_vendor_without_secrets_is_not_found(from_files: Service, vendor: str) -> None:
    assert from_files.deliver(vendor, b"{}").status == 404


@pytest.mark.parametrize(
    ("token", "status"), [("a-plain-token-of-a-line", 403), ("operate-me-if-you-may", 401), ("link-me-if-you-may", 401)]
)
def test_a_right_that_no_token_is_configured_for_is_nobodys(from_files: Service, token: str, status: int) -> None:
    unknown = "/v1/events/00000000-0000-7000-8000-000000000000/body?reason=x"
    assert from_files.get(unknown, token=token).status == status


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
@pytest.mark.parametrize(("token", "status"), [("measure-me-if-you-may", 200), ("read-me-if-you-may", 401), ("", 401)])
def test_a_metrics_token_closes_what_needs_none_otherwise(from_files: Service, path: str, token: str, status: int) -> None:
    assert from_files.get(path, token=token).status == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token_ever(from_files: Service, path: str) -> None:
    assert from_files.get(path, token=None).status == 200
