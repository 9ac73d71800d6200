"""What operators do at the command line: keys, dead letters, settings, checks. `services.cli` names the commands."""
