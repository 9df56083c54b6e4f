"""What may privacy officers ask, and operators request?"""
