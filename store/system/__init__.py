"""What does everything else build on? Clock, locks, deadlines, logs: no database."""
