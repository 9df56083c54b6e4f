"""How does the played iDenfy answer? `vendor` has the calls, `tokens` and `processing` what starts a verification."""
