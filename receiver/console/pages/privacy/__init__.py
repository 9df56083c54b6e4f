"""What may a privacy officer do about a person's data, and what may an operator request?"""
