"""Telling a run's rounds, while it runs, to programs that draw them: TensorBoard and others."""
