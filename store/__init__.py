"""What have we kept? The inbox of events, the applicants, their history and the feed; and the wake-up that notifies a worker.

This package knows neither vendors nor rules, and imports neither of the other two.
"""
