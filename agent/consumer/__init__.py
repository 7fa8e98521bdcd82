"""A reference consumer: what a hospital system has to do to miss no event and to take none twice."""
