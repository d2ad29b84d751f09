"""Rows of the tables that configs stand for, and results of runs."""
