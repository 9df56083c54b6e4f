"""How is what was logged proved, exported and verified, by command?"""
