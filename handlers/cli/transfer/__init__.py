"""How do applicants get in and out as files?"""
