"""python -m publisher.sandbox --data DIR --http HOST:PORT --smtp HOST:PORT [--imap HOST:PORT] [--announce FILE]"""

import argparse
import asyncio
import logging
from pathlib import Path

from publisher.sandbox import server


def main() -> None:
    options = arguments().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s sandbox %(message)s")
    asyncio.run(server.serve(options.data, options.http, options.smtp, options.imap, options.announce))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m publisher.sandbox", description=server.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder for its own SQLite file")
    parser.add_argument("--http", type=address, required=True, metavar="HOST:PORT", help="port 0: a free one")
    parser.add_argument("--smtp", type=address, required=True, metavar="HOST:PORT", help="port 0: a free one")
    parser.add_argument(
        "--imap", type=address, default=("127.0.0.1", 0), metavar="HOST:PORT", help="the mailbox of what comes back"
    )
    parser.add_argument(
        "--announce",
        type=Path,
        metavar="FILE",
        help='write {"http": port, "smtp": port, "imap": port} there when ready',
    )
    return parser


def address(text: str) -> tuple[str, int]:
    """127.0.0.1:8025, or [::1]:8025."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


if __name__ == "__main__":
    main()
