"""Which news moves an applicant, and where to? Pure functions, no I/O."""
