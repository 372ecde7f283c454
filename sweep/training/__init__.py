"""Hundreds of networks trained as one: lanes, layers, optimisers, the penalty."""
