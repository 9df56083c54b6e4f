"""What of the log is seen from outside: proofs of rows, consistency, leaves, and its state?"""
