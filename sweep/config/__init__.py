"""The exported config, and what is done with it: training loops, refits, a model card."""
