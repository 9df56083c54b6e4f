"""Where does every applicant stand, how did it get there, and in which order was that told?"""
