"""Who may act, who acts at this terminal, and who did what?"""
