"""The three vendors in a box: stories that are told to a running service, and what it made of them.

`stories` says what happens, `bodies` in which words; `plots` who plays and what goes wrong on the way; `sending` speaks
HTTP; `simulate` runs it all; `findings` compares; `reports` shows.
"""
