"""What does everything else stand on? Clock, locks, deadlines, logs: no database."""
