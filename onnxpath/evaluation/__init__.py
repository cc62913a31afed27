"""Measuring explanations: in metrics/ one file per metric or small family, in baselines/ what they are held against."""
