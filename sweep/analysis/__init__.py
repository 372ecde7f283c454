"""What a finished study says: choices, intervals, the verdict, the status."""
