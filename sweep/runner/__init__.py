"""One run of a study, from its lease to its last trial."""
