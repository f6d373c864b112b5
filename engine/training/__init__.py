"""Training: the loop over steps, what it reports, what it keeps, and how it is steered. No Qt."""
