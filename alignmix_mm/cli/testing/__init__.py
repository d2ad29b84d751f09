"""Evaluate a checkpoint, in one pass for each kind of images."""
