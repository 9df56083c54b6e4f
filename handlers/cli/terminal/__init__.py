"""How is output printed, confirmed and masked?"""
