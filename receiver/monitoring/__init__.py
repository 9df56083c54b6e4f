"""Is this service healthy, and how would an operator see it?"""
