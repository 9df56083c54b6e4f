"""What may be asked for, and what would a vendor refuse?"""
