"""Keeps a copy of the state of every applicant. End it whenever you like: the copy and its place in the feed move together.

TOKEN=… python follow.py http://127.0.0.1:8000 copy.sqlite3 [sandbox]
"""

import json
import os
import sqlite3
import sys
import time
from urllib import error, parse, request

base, path, environment = sys.argv[1], sys.argv[2], (sys.argv[3:] or ["live"])[0]
copy = sqlite3.connect(path)
copy.execute("CREATE TABLE IF NOT EXISTS applicants (vendor, reference, status, state, PRIMARY KEY (vendor, reference))")
copy.execute("CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY, cursor)")
while True:
    place = copy.execute("SELECT cursor FROM place").fetchone()
    query = {"environment": environment, "limit": 500, "wait": 20} | ({"after": place[0]} if place else {})
    asked = request.Request(f"{base}/v1/changes?{parse.urlencode(query)}", headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    try:
        changes = json.load(request.urlopen(asked, timeout=60))["data"]
    except (OSError, ValueError) as failure:
        if isinstance(failure, error.HTTPError) and failure.code == 400:  # A backup was restored: start again.
            with copy:
                copy.execute("DELETE FROM applicants"), copy.execute("DELETE FROM place")
        time.sleep(1)
        continue
    with copy:
        for change in changes:
            who = change.get("vendor"), change.get("reference")
            if change["type"] == "applicant.erased":  # Do the same here.
                copy.execute("DELETE FROM applicants WHERE vendor = ? AND reference = ?", who)
            elif change["type"] != "erased":  # The place of a change whose applicant was erased. Of a restricted one the state is null.
                copy.execute("INSERT OR REPLACE INTO applicants VALUES (?, ?, ?, ?)", (*who, change["to"], json.dumps(change["applicant"])))
            copy.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", (change["cursor"],))
