"""From real recordings to a trained student: runs on the workstation, never on the gateway."""
