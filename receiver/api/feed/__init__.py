"""How does downstream read the change feed: as pages, with long polling, or as a stream?"""
