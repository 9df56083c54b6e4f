"""How are personal data erased, held and kept for a time, by command?"""
