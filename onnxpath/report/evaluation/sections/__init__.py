"""The sections of an evaluation's page, one file each; page.py lists them in order."""
