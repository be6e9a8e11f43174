"""What each command of `ottery` does; the command line itself is `collector.cli`."""
