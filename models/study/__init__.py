"""What the reference networks are measured by, whatever they were trained for."""
