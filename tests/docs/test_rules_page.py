"""The page of the rules, held to the code: what its tables say is what the code does, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from handlers.config import Settings
from handlers.config.vocabulary.idenfy import TAGS
from handlers.config.vocabulary.idngo import LABELS
from handlers.config.vocabulary.ifcgate import WORD_STATUSES
from handlers.interpret import weigh
from handlers.rules import reversals, transitions
from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, Judgement, News, Says, Step, Unreadable
from handlers.rules.registers import RANK
from handlers.vendors import VENDORS, idenfy, idenfy_findings, idngo, ifcgate
from store.applicants.table import Applicant
from store.inbox.internal_events import DecisionBody, Ruling
from store.text.states import HITS, Flag, Outcome, Reversal, Status
from tests.support import payloads, telling
from tests.support.payloads import BEGAN, after
from tests.support.telling import RECEIVED, WHO, interpreted, occasion_of, stands, stranger, told, verdict

PAGE = Path(__file__).parent.parent.parent / "docs" / "rules.md"

#: Its tables are a glossary; every other table holds rules.
GLOSSARY = "How to read this page"

#: What the page writes where there is nothing.
NOTHING = "–"

#: A cell that is one word of somebody's.
NAME = re.compile(r"`([^`]+)`")


# reading the page ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """A heading's table, each row by its columns, and the numbered tests beneath it."""

    rows: list[dict[str, str]]
    tests: list[tuple[int, str, str, str]]


@cache
def sections() -> dict[str, Section]:
    _, *parts = re.split(r"^#{2,3} (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {heading: _section(text) for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def _section(text: str) -> Section:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    rows = [dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]] if lines and "held by" in lines[0] else []
    listed = re.findall(r"^(\d+)\. \[`([\w.]+)::(\w+)`\]\((.+)\)$", text, flags=re.MULTILINE)
    return Section(rows, [(int(number), file, function, link) for number, file, function, link in listed])


def rows(heading: str) -> list[dict[str, str]]:
    found = sections()[heading].rows
    assert found
    return found


def words(cell: str) -> list[str]:
    """The words that a cell quotes."""
    return NAME.findall(cell)


def column(heading: str, name: str) -> list[str]:
    """The words of a column, row by row; a row without one tells of words that have no name."""
    return [word[1] for row in rows(heading) if (word := NAME.fullmatch(row[name]))]


def said(heading: str, key: str, value: str) -> dict[str, str]:
    """One column by another, as far as the rows have names. What follows a semicolon is an explanation."""
    values = [row[value].partition(";")[0].replace("`", "") for row in rows(heading) if NAME.fullmatch(row[key])]
    names = column(heading, key)
    assert len(set(names)) == len(names), heading
    return dict(zip(names, values, strict=True))


def yes(holds: bool) -> str:
    return "yes" if holds else "no"


# the page's own promises --------------------------------------------------------------------------------------

NAMED = sorted({(file, function, link) for section in sections().values() for _, file, function, link in section.tests})


def test_every_row_names_the_tests_that_hold_it_and_no_test_is_named_in_vain() -> None:
    for heading, section in sections().items():
        numbers = [number for number, *_ in section.tests]
        cited = [[int(number) for number in row["held by"].split(", ")] for row in section.rows]
        assert numbers == list(range(1, len(numbers) + 1)), heading
        assert {number for row in cited for number in row} == set(numbers), heading


def test_every_table_but_the_glossary_says_which_tests_hold_it() -> None:
    text = PAGE.read_text(encoding="utf-8").partition(f"## {GLOSSARY}")[2].partition("\n## ")[2]
    heads = re.findall(r"^(\|.+\|)\n\|[-|]+\|$", text, flags=re.MULTILINE)
    assert len(heads) == sum(bool(section.rows) for section in sections().values())
    assert [head for head in heads if not head.endswith("| held by |")] == []


def test_every_row_with_a_source_says_whose_word_it_is() -> None:
    sources = [row["source"] for section in sections().values() for row in section.rows if "source" in row]
    assert [source for source in sources if not re.match(r"(vendor|platform|older|ours)\b", source)] == []


@pytest.mark.parametrize(("file", "function", "link"), NAMED)
def test_every_test_that_the_page_names_exists(file: str, function: str, link: str) -> None:
    path = PAGE.parent / link
    assert path.name == file
    assert function in _functions(path)


def test_every_link_on_the_page_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("https://") and not (PAGE.parent / link).exists()] == []


@cache
def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


# tables and lists ---------------------------------------------------------------------------------------------

OVERLAYS: dict[str, Says] = {
    "a deletion": Deletion(),
    "a deactivation": Activity(active=False),
    "a monitoring alert": Alert(monitoring="m-1", raised=True),
    "an expired document": DocumentNotice(expired=True),
}

IDNGO_OVERLAYS: dict[Says, str] = {
    Deletion(): "a deletion",
    Deletion(of_personal_data=True): "a deletion",
    Activity(active=False): "a deactivation",
    Activity(active=True): "an activation",
}


@pytest.mark.parametrize(
    ("heading", "key", "value", "code"),
    [
        ("IDnGO: progress", "event", "status", idngo.PROGRESS),
        ("IDnGO: overlays", "event", "is", {event: IDNGO_OVERLAYS[says] for event, says in idngo.OVERLAYS.items()}),
        ("IDnGO: AML cases", "event", "alert", {event: "raised" if up else "cleared" for event, up in idngo.AML_CASES.items()}),
        ("iDenfy: verdicts", "word", "final", idenfy.VERDICTS),
        (
            "iDenfy: other words",
            "word",
            "leads to",
            idenfy.PROGRESS | dict.fromkeys(idenfy.DELETED, "a deletion") | {"ARCHIVED": "the flag ARCHIVED alone"},
        ),
        ("IFCGATE: words", "word", "in `case.review.completed`", ifcgate.STATUSES),
        ("IFCGATE: words", "word", "verdict", {word: yes(status in ifcgate.VERDICTS) for word, status in ifcgate.STATUSES.items()}),
        ("Clocks", "vendor", "has a clock", {name: yes(vendor.has_clock) for name, vendor in VENDORS.items()}),
        ("Which reversal a status is", "to status", "reversal", reversals.FALLEN | {Status.APPROVED: Reversal.REINSTATED}),
        (
            "What counts as a change",
            "field",
            "a difference is a change",
            dict.fromkeys(transitions.TOLD, "yes") | dict.fromkeys(telling.NO_CHANGE, "no"),
        ),
    ],
)
def test_a_table_on_the_page_is_the_codes_own(heading: str, key: str, value: str, code: dict[str, str]) -> None:
    assert said(heading, key, value) == code


@pytest.mark.parametrize(
    ("heading", "name", "code"),
    [
        ("Hits", "hit", HITS),
        ("Flags", "flag", Flag),
        ("Outcomes", "outcome", Outcome),
        ("What a reversal says", "word", Reversal),
    ],
)
def test_a_list_on_the_page_is_the_codes_own(heading: str, name: str, code: Iterable[str]) -> None:
    assert column(heading, name) == list(code)


def test_at_one_instant_the_page_ranks_as_the_code_does() -> None:
    whats = [row["what"] for row in rows("At one instant")]
    assert ["restarted" if what.startswith("begun again") else words(what)[0] for what in whats] == sorted(RANK, key=RANK.__getitem__)


TABLES = {"IDnGO: labels": ("label", LABELS), "iDenfy: tags": ("tag", TAGS)}


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_names_every_word_with_its_meaning(heading: str) -> None:
    column, table = TABLES[heading]
    assert said(heading, column, "means") == {word: meaning.kind for word, meaning in table.items()}
    assert said(heading, column, "hit") == {word: meaning.hit or NOTHING for word, meaning in table.items()}
    doubtful = [row["source"] for row in rows(heading) if row["means"] == "doubtful"]
    assert [source for source in doubtful if "ours that it is in doubt: " not in source] == []


def test_the_page_names_every_monitoring_word_that_raises_or_clears() -> None:
    alerts = said("iDenfy: monitoring words", "word", "alert")
    assert {word for word, alert in alerts.items() if alert == "raised"} == set(idenfy_findings.RAISING)
    assert {word for word, alert in alerts.items() if alert == "cleared"} == set(idenfy_findings.CLEARING)
    assert {alert for word, alert in alerts.items() if word not in (*idenfy_findings.RAISING, *idenfy_findings.CLEARING)} == {NOTHING}


def test_the_page_names_every_type_of_a_result_and_what_two_of_them_mean_by_themselves() -> None:
    types = said("iDenfy: event types", "type", "read as")
    by_type = {kind: meaning.partition(",")[0] for kind, meaning in types.items() if "whatever the body says" in meaning}
    assert by_type == idenfy.BY_TYPE
    assert {kind for kind, meaning in types.items() if meaning.startswith("a result")} == set(idenfy.RESULTS) - set(idenfy.BY_TYPE)


def test_the_page_names_every_status_that_an_owner_may_give_a_word() -> None:
    (rule,) = (row["rule"] for row in rows("IFCGATE: events and further words") if row["rule"].startswith("a word may mean"))
    assert set(words(rule)) == set(WORD_STATUSES)


def test_the_page_names_the_tries_and_the_pauses_before_a_dead_letter() -> None:
    (when,) = (row["when"] for row in rows("Outcomes") if row["outcome"] == "`failed`")
    tries, pause, limit = map(int, re.findall(r"\d+", when))
    settings = Settings()
    assert (tries, timedelta(seconds=pause), timedelta(hours=limit)) == tuple(settings.retries)


# what an event does is what its row says ----------------------------------------------------------------------

ANSWERS: dict[str, dict[str, Any]] = {
    "`GREEN`": {"reviewAnswer": "GREEN"},
    "`RED`, `RETRY`": {"reviewAnswer": "RED", "reviewRejectType": "RETRY"},
    "`RED`, `FINAL`": {"reviewAnswer": "RED", "reviewRejectType": "FINAL"},
    "another or none": {"reviewAnswer": "RED"},
}
REVIEW_STATUSES = {"`completed`": "completed", "another or none": "pending"}


def test_a_result_of_idngo_leads_where_its_row_says() -> None:
    on_the_page = [
        (kind, row["`reviewStatus`"], answer, row["status"].strip("`"), row["verdict"], row["final"], row["may retry"])
        for row in rows("IDnGO: results")
        for kind in words(row["event"])
        for answer in (ANSWERS if row["answer"] == "any" else [row["answer"]])
    ]
    done = [
        (kind, review, answer, *_closed(kind, reviewStatus=status, reviewResult=result))
        for kind in idngo.RESULTS
        for review, status in REVIEW_STATUSES.items()
        for answer, result in ANSWERS.items()
    ]
    assert sorted(on_the_page) == sorted(done)


def _closed(kind: str, **more: Any) -> tuple[str, str, str, str]:
    """Where an event of IDnGO puts an applicant, and how far it closes the question, in the page's words."""
    state = stands(telling.idngo(kind, **more))
    may_retry = NOTHING if state.may_retry is None else yes(state.may_retry)
    return state.status.value, yes(state.last_verdict is not None), yes(state.final), may_retry


@pytest.mark.parametrize(("heading", "word"), [(heading, row) for heading, (name, _) in TABLES.items() for row in column(heading, name)])
def test_a_word_means_what_its_row_says_beside_an_approval(heading: str, word: str) -> None:
    column, _ = TABLES[heading]
    (row,) = (row for row in rows(heading) if row[column] == f"`{word}`")
    labelled = telling.idngo(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": [word]})
    state = stands(labelled if column == "label" else verdict(tags=[word]))
    plain = row["means"] == "plain"
    assert (state.status, state.hits, state.flags) == ("approved" if plain else "needs_review", words(row["hit"]), [])
    assert (state.reasons, state.ever_approved) == ([word], plain)


@pytest.mark.parametrize("labels", ["SANCTIONS", 7, {"SANCTIONS": True}, True])
def test_an_approval_whose_labels_cannot_be_read_is_for_a_person(labels: object) -> None:
    assert stands(telling.idngo(reviewResult={"reviewAnswer": "GREEN", "rejectLabels": labels})).status == "needs_review"


@pytest.mark.parametrize("name", ["amlCaseId", "caseId"])
def test_aml_cases_that_are_named_have_an_alert_each_and_those_without_a_name_share_one(name: str) -> None:
    approved = telling.idngo(answer="GREEN")
    one, other = (telling.idngo("amlCaseRejected", at=after(hours=1), **{name: case}) for case in ("aml-1", "aml-2"))
    unnamed, cleared = telling.idngo("amlCaseRejected", at=after(hours=1)), telling.idngo("amlCaseApproved", at=after(hours=2))
    cleared_one = telling.idngo("amlCaseApproved", at=after(hours=2), **{name: "aml-1"})
    assert stands(approved, one, cleared_one).status == "approved"
    assert stands(approved, one, other, cleared_one).status == "needs_review"
    assert stands(approved, one, cleared).status == "needs_review"
    assert stands(approved, unnamed, unnamed, cleared).status == "approved"


def test_a_verdict_of_idenfy_leads_where_its_row_says_final_or_not() -> None:
    for row in rows("iDenfy: verdicts"):
        overall = (words(row["word"]) or ["TOTALLY_NEW"])[0]
        final, not_final = stands(verdict(overall)), stands(verdict(overall, final=False))
        assert [final.status, not_final.status, not_final.provisional or NOTHING] == [
            row[name].strip("`") for name in ("final", "not final", "provisional")
        ], overall


@pytest.mark.parametrize(
    ("tag", "hits"),
    [
        ("NAME_IN_BLACKLIST", ["blacklist"]),
        ("DEVICE_BLACKLISTED", ["blacklist"]),
        ("PEP", ["pep"]),
        ("PEP_CURRENT", ["pep"]),
        ("PEP_SUSPICION", ["pep"]),
        ("PEP_CHECK_FAILED", []),
        ("FACE_SUSPECTED", []),
        ("GAMBLING_SUSPECTION", []),
        ("GAMBLING_SUSPICION", []),
    ],
)
def test_a_tag_that_is_in_no_table_is_known_by_its_name(tag: str, hits: list[str]) -> None:
    state = stands(verdict(tags=[tag]))
    assert (state.status, state.hits, state.ever_approved) == ("needs_review", hits, False)


def test_a_document_threshold_leads_where_its_row_says() -> None:
    for row in rows("iDenfy: document thresholds"):
        threshold = (words(row["`expirationThreshold`"]) or ["DOCUMENT_TURNS_BLUE"])[0]
        state = stands(verdict(), telling.document(threshold))
        leads_to = "approved" if row["leads to"] == NOTHING else row["leads to"].strip("`")
        assert (state.status, state.flags) == (leads_to, words(row["flag"])), threshold


def test_a_monitoring_of_more_verifications_than_the_page_allows_is_unreadable() -> None:
    allowed = re.search(r"more than (\d+) verifications", PAGE.read_text(encoding="utf-8"))
    assert allowed
    scans = [f"scan-{number}" for number in range(int(allowed[1]) + 1)]
    assert interpreted(telling.idenfy("AML_MONITORING", payloads.idenfy_monitoring(scans[1:]))).references == tuple(scans[1:])
    with pytest.raises(Unreadable):
        interpreted(telling.idenfy("AML_MONITORING", payloads.idenfy_monitoring(scans)))


def test_a_word_of_ifcgate_leads_where_its_row_says_in_a_completed_review_and_elsewhere() -> None:
    for row in rows("IFCGATE: words"):
        word = (words(row["word"]) or ["frobnicated"])[0]
        completed, elsewhere = stands(telling.ifcgate(word)), stands(telling.ifcgate(word, "case.updated"))
        assert [completed.status, elsewhere.status if elsewhere.version else NOTHING, yes(completed.last_verdict is not None)] == [
            row[name].strip("`") for name in ("in `case.review.completed`", "elsewhere", "verdict")
        ], word


@pytest.mark.parametrize("status", Status)
def test_a_reversal_is_what_the_row_of_the_status_says_and_of_no_other_verdict(status: Status) -> None:
    (row,) = (row for row in rows("Which reversal a status is") if words(row["to status"]) == [status])
    stood = Status.IN_REVIEW if status == Status.CREATED else Status.CREATED
    known = structs.replace(stranger("idngo"), version=1, status=stood)
    found = {
        verdict: reversals.reversal(
            structs.replace(known, last_verdict=verdict and {"status": verdict}), structs.replace(known, status=status)
        )
        for verdict in (*Status, None)
    }
    reversal = row["reversal"].strip("`")
    assert {verdict: word for verdict, word in found.items() if word} == dict.fromkeys(words(row["last verdict before"]), reversal)


def test_of_two_events_with_one_body_the_later_received_is_the_ground_whichever_was_handled_first() -> None:
    twice = [telling.idngo(answer="GREEN")] * 2
    for handled in ([0, 1], [1, 0]):
        assert told(*twice, handled=handled)[-1].applicant.grounds[0]["event_id"] == "event-1"


# registers and overlays ---------------------------------------------------------------------------------------

#: Every kind of news, by the page's word for it.
KINDS: dict[str, Says] = {
    "progress": Step(status=Status.IN_REVIEW),
    "reopening": Step(status=Status.IN_REVIEW, reopens=True),
    "reset": Step(status=Status.CREATED, restarts=True, wipes=True),
    "verdict": Step(status=Status.APPROVED, verdict=True),
    "final verdict": Step(status=Status.APPROVED, verdict=True, binding=True),
    "import that names a hit": Step(status=Status.IN_REVIEW, imported=True, hits=("pep",)),
    "deletion": Deletion(),
    "deactivation": Activity(active=False),
    "activation": Activity(active=True),
    "alert": Alert(monitoring="m-1", raised=True),
    "clearing": Alert(monitoring="m-1", raised=False),
    "expired document": DocumentNotice(expired=True),
    "expiring document": DocumentNotice(expired=False),
    "archiving": Archived(),
    "person's decision": Judgement(
        status=Status.APPROVED, decided=DecisionBody(reference=WHO, ruling=Ruling.APPROVE, by="night", reason="looked into", at=BEGAN)
    ),
}


def hear(*says: Says, repeat: bool = False, timed: bool = True) -> Applicant:
    """Where one fresh applicant stands after these pieces of news, an hour apart."""
    applicant = stranger("idngo")
    for hour, one in enumerate(says):
        occurred_at = after(hours=hour) if timed else None
        news = News(event_type=None, references=(WHO,), occurred_at=occurred_at, says=one, because="", external_user_id="customer-1")
        if isinstance(one, Step) and one.imported:
            news = structs.replace(news, imported_hits=one.hits)
        occasion = structs.replace(occasion_of([telling.idngo()], 0), repeat=repeat)
        applicant = transitions.decide(applicant, weigh(news, occasion), now=RECEIVED).applicant
    return applicant


def written(*, repeat: bool = False, timed: bool = True) -> dict[tuple[str, str], Any]:
    """What each kind of news writes to each register, by register and kind."""
    return {
        (re.sub(r"^(alert|imported):.*", r"\1:…", register), kind): entry[-1]
        for kind, says in KINDS.items()
        for register, entry in hear(says, repeat=repeat, timed=timed).registers.items()
    }


def test_each_kind_of_news_writes_the_registers_whose_rows_name_it() -> None:
    on_the_page = {
        (words(row["register"])[0], *writer) for row in rows("What each register holds") for writer in _writers(row["written by"])
    }
    done = written()
    assert {(register, kind) for register, kind, _ in on_the_page} == set(done)
    assert [
        (register, kind) for register, kind, held in on_the_page if held in ("yes", "no") and done[register, kind] is not (held == "yes")
    ] == []


def _writers(cell: str) -> list[tuple[str, str]]:
    """Each kind of news that a cell names, and what it writes, if the cell says so."""
    if cell.startswith("everything that moves"):
        return [(kind, "") for kind in KINDS if kind != "person's decision" or "of the vendor's" not in cell]
    groups = (group.strip().partition(" (") for group in cell.split(";"))
    return [(kind, held.rstrip(")")) for kinds, _, held in groups for kind in kinds.split(", ")]


def test_doubt_keeps_news_out_of_the_registers_whose_rows_say_so() -> None:
    on_the_page = {
        words(row["register"])[0]: (row["by a repeat"], row["at an unknown time"]) for row in rows("What doubt keeps out of the registers")
    }
    # A person's decision is never in doubt in this way: it comes once, at our own time.
    plain, by_a_repeat, untimed = (
        {(register, kind): held for (register, kind), held in found.items() if kind != "person's decision"}
        for found in (written(), written(repeat=True), written(timed=False))
    )
    done = {register: (_still(register, plain, by_a_repeat), _still(register, plain, untimed)) for register, _ in plain}
    assert on_the_page == {register: kept for register, kept in done.items() if kept != ("always", "always")}


def _still(register: str, plain: dict[tuple[str, str], Any], doubtful: dict[tuple[str, str], Any]) -> str:
    """How far a register is still written, in the page's words."""
    before, then = ({kind for name, kind in found if name == register} for found in (plain, doubtful))
    if not then:
        return "never"
    if then == {kind for kind in before if plain[register, kind] is True} != before:
        return "only yes"
    if then == {"deletion"} != before:
        return "of a deletion alone"
    # What could only lift, and may not, writes nothing at all.
    assert then == before & {kind for _, kind in doubtful}
    return "always"


def test_overlays_lie_over_each_other_in_the_order_of_their_rows_and_show_what_these_say() -> None:
    grounds = hear(KINDS["verdict"], *OVERLAYS.values()).grounds
    assert [(row["overlay"], row["shows"].strip("`")) for row in rows("Overlays")] == [
        (ground["name"], ground["status"]) for ground in grounds[: len(OVERLAYS)]
    ]


def test_an_overlay_covers_a_rejection_if_its_row_says_so() -> None:
    rejection = Step(status=Status.REJECTED, verdict=True)
    for row in rows("Overlays"):
        covered = hear(rejection, OVERLAYS[row["overlay"]]).status != Status.REJECTED
        assert yes(covered) == row["covers a rejection"], row["overlay"]
