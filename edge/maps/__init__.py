"""Maps as pictures, and maps finer than the bundle's."""
