"""The command line: one small module for each command; what is heavy is imported when a command runs."""
