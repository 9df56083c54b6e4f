"""Does a whole verification work? `standing simulate --whole` starts verifications at the played vendors, and checks every applicant.

`cast` says which verifications there are and how each ends, `images` makes the images, `calls` speaks to the API of the service, `scenes`
carries each verification through, `findings` compares, `performance` runs it all, and `report` prints.
"""
