"""What is the status of each applicant, how did it come about, and in which order was it reported?"""
