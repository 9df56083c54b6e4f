"""How fast Standing is, measured beside what it could be compared with, in one run. See README.md here."""
