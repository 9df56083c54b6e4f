"""A real browser: pages in which nothing may go wrong unseen, and what people see, hear and type there.

page = pages.open(console.url)            # the fixture `pages` of `tests.support.browser.fixtures`
page.goto("/console")                     # Playwright's page
looks.dark(page)
assert looks.axe(page) == []
keyboard.tab_to(page, page.get_by_role("button", name="Run"))
with pages.expected("status of 403"):     # what would else fail the test
    page.goto("/console/audit")
"""
