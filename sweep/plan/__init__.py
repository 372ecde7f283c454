"""What a study comes to before it is trained: its range, its width, its workers."""
