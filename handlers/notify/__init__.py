"""Who is told of a change, and what if they do not answer?"""
