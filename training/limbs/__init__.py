"""How well the measures of limbs do on real recordings, and the detector of use that a user learns from their own."""
