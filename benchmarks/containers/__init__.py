"""The lab of ``docker/compose.yml`` as it is looked at: played on, disturbed and compared."""
