"""A report as a job: checked, explained unit by unit into a folder that is kept, and drawn from it."""
