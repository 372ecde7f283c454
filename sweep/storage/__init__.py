"""Optuna's tables, written by one owner and read by everyone; the doctor of both."""
