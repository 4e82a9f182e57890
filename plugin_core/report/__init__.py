"""What people read: the practice's page, the views in the terminal, and the same as JSON."""
