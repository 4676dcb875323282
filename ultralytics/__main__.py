"""`python -m ultralytics` is the command line."""

from ultralytics.cfg import entrypoint

if __name__ == "__main__":
    entrypoint()
