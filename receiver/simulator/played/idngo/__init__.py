"""How does the played IDnGO answer? `vendor` has the calls, `applicants` and `documents` what they are about."""
