"""The engines that train a study: this process alone, workers that it forks, or Ray actors."""
