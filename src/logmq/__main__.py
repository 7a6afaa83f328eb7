"""`python -m logmq` is `logmq`."""

from logmq.cli.main import main

if __name__ == "__main__":
    main()
