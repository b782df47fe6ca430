"""HTTP: the only part of the kernel that knows of requests and answers. Its packages are its rooms."""
