"""Until when is it kept, and what is due?"""
