"""Who trains a study: this process, or workers that it forks."""
