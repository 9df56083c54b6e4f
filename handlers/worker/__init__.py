"""Who handles the inbox, when, and what if it hangs or dies?"""
