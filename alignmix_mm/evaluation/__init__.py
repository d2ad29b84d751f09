"""Evaluation beyond accuracy."""
