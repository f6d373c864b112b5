"""What leaves the lab: weights and tables in formats that other programs read."""
