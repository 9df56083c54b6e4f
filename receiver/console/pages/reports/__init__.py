"""Who did what, and how much came, fell and waits?"""
