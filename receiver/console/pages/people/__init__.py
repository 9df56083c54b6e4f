"""Where is a customer? The search, an applicant, a person, the review queue, fallen approvals."""
