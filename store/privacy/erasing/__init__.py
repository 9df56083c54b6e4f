"""How far is each erasure, and what do its steps remove?"""
