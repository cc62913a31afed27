"""Analyses of pathways: how they overlap, what they hold, where they are linear; one file each."""
