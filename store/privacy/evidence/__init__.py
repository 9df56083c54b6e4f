"""Evidence: which rows concern an applicant, and how are they handed over so that they are verified offline?"""
