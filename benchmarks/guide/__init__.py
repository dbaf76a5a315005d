"""The guide ``docs/deployment.md``, followed to the letter by containers that stand in for machines."""
