"""``docs/deployment.md`` followed to the letter, by containers in the place of machines."""
