"""Can it be proved that nothing that was logged was altered or removed? A Merkle log of events, changes, acts, holds and erasures."""
