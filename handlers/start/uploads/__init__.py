"""How do the images of an upload get to its vendor?"""
