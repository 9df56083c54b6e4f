"""Which part of an event is about which applicant, when one of them is erased?"""
