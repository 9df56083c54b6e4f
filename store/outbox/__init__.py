"""What is still to be told, and to whom?"""
