"""The log as tests make it, and what an auditor does with what it gives."""
