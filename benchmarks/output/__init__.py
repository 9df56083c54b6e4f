"""What a run tells: figures, their targets, the table and the picture."""
