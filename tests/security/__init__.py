"""Who gets in, and how far: what is promised of every operation at once, and tried with real requests."""
