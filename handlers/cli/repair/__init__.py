"""How are events handled again, and applicants compared with them and repaired?"""
