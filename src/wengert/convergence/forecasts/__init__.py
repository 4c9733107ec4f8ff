"""How many steps a run will take, from the spectrum at the minimum."""
