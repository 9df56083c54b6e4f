"""Is what was logged proved, to whoever holds an earlier checkpoint?"""
