"""What may leave the process in clear: finite sets, names that the program declared; and what stands for all the rest."""
