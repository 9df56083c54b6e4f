"""The vendor simulator: it sends stories to a running service, and checks the resulting applicants.

`stories` says what happens, `bodies` in which words; `plots` who plays and what goes wrong on the way; `sending` speaks
HTTP; `simulate` runs it all; `findings` compares; `reports` shows.
"""
