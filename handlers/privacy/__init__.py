"""What of an event is about whom, when one of them is erased?"""
