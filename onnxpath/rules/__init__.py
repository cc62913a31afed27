"""What each operator does backwards: tables, no walking, no sessions."""
