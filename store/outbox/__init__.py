"""Who is still to be notified, and of what?"""
