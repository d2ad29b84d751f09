"""Rows of published tables that configs reproduce; results of runs."""
