"""What may a text be, and which words stand for statuses and outcomes? Names, JSON, URLs, what is safe to show."""
