"""Which events have we kept, and which worker has claimed them?"""
