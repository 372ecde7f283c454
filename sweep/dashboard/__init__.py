"""optuna-dashboard on a storage, and what a study's own page there shows."""
