"""How is a verification begun at a vendor, and carried through?"""
