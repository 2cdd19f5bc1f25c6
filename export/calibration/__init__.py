"""What usual images and known values give: the images themselves, temperature, coverage factors, parity."""
