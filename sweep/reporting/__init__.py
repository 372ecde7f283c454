"""The pictures and tables of a study, as one HTML page."""
