"""How is a command found, and which commands need the store alone?"""
