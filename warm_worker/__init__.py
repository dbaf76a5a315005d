"""Apps that start in an instant: a process that has imported what they need forks for each."""
