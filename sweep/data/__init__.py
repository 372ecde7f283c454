"""From a source of rows to the problem that is trained: sources, folds, preprocessing."""
