"""Erasures in tests: how they are asked for, carried out, and looked for afterwards."""
