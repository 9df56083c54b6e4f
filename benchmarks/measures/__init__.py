"""What is measured: one module for each figure of the table."""
