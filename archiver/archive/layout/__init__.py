"""How messages are laid into objects; layouts differ in nothing else."""
