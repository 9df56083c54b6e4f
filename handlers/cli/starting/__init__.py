"""How are verifications started, by command?"""
