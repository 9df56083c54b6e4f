"""How is it printed, asked and masked?"""
