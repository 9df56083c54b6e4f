"""Which verifications does a caller start, and how far are they?"""
