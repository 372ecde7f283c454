"""Which strength is tried next: ask and tell, samplers, the range that moves, controls."""
