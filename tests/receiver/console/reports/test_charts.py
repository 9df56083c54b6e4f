"""Charts: what is drawn says what was counted, by more than colours."""

from __future__ import annotations

import re

from receiver.console import charts
from receiver.console.charts import Bar
from receiver.console.pages.reports import figures
from receiver.console.pages.reports.figures import Wanted

DAYS = ["2026-11-29", "2026-11-30"]
VERDICTS = Wanted(title="Verdicts", fields={"approved": "approved", "rejected": "rejected"}, one="verdict", many="verdicts", means="")


def day(vendor: str, day: str, approved: int = 0, rejected: int = 0) -> dict[str, object]:
    return {"vendor": vendor, "day": day, "approved": approved, "rejected": rejected}


def heights(drawing: str, series: int) -> list[float]:
    return [float(found) for found in re.findall(rf'class="series-{series}"[^>]* height="([\d.]+)"', drawing)]


def test_bars_are_as_high_as_their_counts() -> None:
    drawing = str(charts.bars([Bar("2026-11-29", (50, 25)), Bar("2026-11-30", (100, 0))], ["kept", "duplicates"], "Deliveries"))
    [first, second], [duplicates] = heights(drawing, 1), heights(drawing, 2)
    assert (second, first) == (2 * first, 2 * duplicates)
    assert max(first, second, duplicates) <= charts.HEIGHT


def test_each_bar_says_its_numbers_and_the_chart_its_title() -> None:
    drawing = str(charts.bars([Bar("2026-11-29", (1200, 3)), Bar("2026-11-30", (0, 0))], ["kept", "duplicates"], "Deliveries"))
    assert "<title>2026-11-29: 1,200 kept, 3 duplicates</title>" in drawing
    assert "<title>2026-11-30: nothing</title>" in drawing
    assert 'role="img" aria-label="Deliveries"' in drawing


def test_a_name_is_no_markup() -> None:
    drawing = str(charts.bars([Bar("2026-11-29", (1,))], ["<script>"], '"><script>'))
    assert "<script>" not in drawing


def test_nothing_at_all_can_be_drawn() -> None:
    assert "<svg" in charts.bars([], [], "Nothing")
    assert "<rect" not in charts.bars([Bar("2026-11-29", (0,))], ["kept"], "Nothing")


def test_every_series_has_a_pattern_of_its_own() -> None:
    defined = re.findall(r'<pattern id="([\w-]+)"[^>]*>(.*?)</pattern>', str(charts.patterns()))
    filled = [re.findall(r"url\(#([\w-]+)\)", str(charts.swatch(number))) for number in range(1, charts.SERIES_MAX + 1)]
    assert filled == [[], *([name] for name, _ in defined)]
    assert len({drawn for _, drawn in defined}) == charts.SERIES_MAX - 1


def test_a_figure_is_stacked_by_vendor_or_by_kind() -> None:
    rows = [day("idngo", DAYS[0], approved=2, rejected=1), day("idenfy", DAYS[1], approved=4)]
    by_vendor = figures.figure(VERDICTS, rows, DAYS, by_vendor=True)
    assert (by_vendor.series, by_vendor.bars) == (("idenfy", "idngo"), [Bar(DAYS[0], (0, 3)), Bar(DAYS[1], (4, 0))])
    by_kind = figures.figure(VERDICTS, rows, DAYS, by_vendor=False)
    assert (by_kind.series, by_kind.bars) == (("approved", "rejected"), [Bar(DAYS[0], (2, 1)), Bar(DAYS[1], (4, 0))])


def test_a_figure_says_in_a_sentence_what_it_shows() -> None:
    rows = [day("idngo", DAYS[0], approved=1200), day("idenfy", DAYS[1], rejected=4)]
    assert figures.figure(VERDICTS, rows, DAYS, by_vendor=True).caption == (
        "1,204 verdicts in 2 days: idenfy 4, idngo 1,200. The most on 2026-11-29: 1,200."
    )
    assert figures.figure(VERDICTS, [], DAYS, by_vendor=True).caption == "No verdict in 2 days."


def test_vendors_beyond_the_colours_are_counted_together() -> None:
    rows = [day(vendor, DAYS[0], approved=count) for count, vendor in enumerate("abcde", start=1)]
    found = figures.figure(VERDICTS, rows, DAYS, by_vendor=True)
    assert (found.series, found.bars[0].counts) == (("a", "b", "c", "others"), (1, 2, 3, 9))
