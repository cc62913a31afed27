"""The program, through its entry point: verbs, bad input, reports from end to end."""
