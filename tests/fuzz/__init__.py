"""Fuzzing: hostile models, pictures, arrays, records and configurations through the program, each case from a seed."""
