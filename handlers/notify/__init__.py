"""Who is notified of a change, and what if they do not answer?"""
