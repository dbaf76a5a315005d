"""Pictures of plain Gaussian noise: what a comparison needs beside a real generator."""
