"""The page of an evaluation: tables with intervals and verdicts, and curves."""
