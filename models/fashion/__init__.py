"""Fashion-MNIST: what the checks detect, beside what others detect, and what an attacker gets past."""
