"""What would handling events again change, and how is it done safely?"""
