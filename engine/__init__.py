"""The numerical core of Descent Lab. No Qt; usable alone: an experiment is a value, and the engine runs it."""
