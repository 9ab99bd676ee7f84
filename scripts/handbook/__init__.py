"""The handbook in `docs`: its pages are read, its links followed, its files checked and its commands run, so that what stands in it is so."""
