"""Trained student -> quantized network -> bundle; the bridge between the workstation and the gateway."""
