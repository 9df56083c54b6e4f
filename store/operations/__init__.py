"""Is anything wrong, and what is an operator repairing?"""
