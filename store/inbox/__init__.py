"""Which events have we kept, and which worker has them in hand?"""
