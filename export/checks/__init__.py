"""Checks: statistics of the Fisher quantities, and the p-values by which they flag."""
