"""How do images get from a web process to the relay?"""
