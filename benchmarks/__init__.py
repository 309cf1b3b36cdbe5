"""What a record costs, measured beside a baseline in the same run."""
