"""The engines that train a study: this process alone, or worker processes that it forks."""
