"""Who handles the inbox, when, and what if a worker hangs or crashes?"""
