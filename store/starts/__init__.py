"""What was begun at the vendors, and how far is it?"""
