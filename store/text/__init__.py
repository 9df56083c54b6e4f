"""What may a text be? Names, JSON, URLs, and what is safe to show."""
