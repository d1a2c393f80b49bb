"""Sends lines of a file, or receives messages into a file, so that this client can be tried against other implementations.

  interop.py send    --host H --port P --key-file K --to ADDRESS --state DB --lines FILE
  interop.py receive --host H --port P --key-file K --state DB --count N --out FILE

Both may be killed at any moment and started again with the same arguments: each line is sent, and each body written, exactly once.
`send` ends when every line has its double check; a file with the same content and recipient is sent once for one state. `receive` ends
when it has written N lines to this FILE, all runs together. Exit codes: 0 done, 1 a message failed or the node turned us away.
"""

import argparse
import asyncio
import hashlib
import os
import sys
from pathlib import Path

from gateway_client import Address, Client, Handler, KeyFile


class Quiet(Handler):
    def connection(self, state, detail):
        if detail:
            print(f"{state}: {detail}", file=sys.stderr, flush=True)


class Writer(Quiet):
    """Keeps lines with their place in the file beside the protocol's state; the file is written behind, from there."""

    def __init__(self, path, count):
        self.path, self.count, self.client = str(Path(path).resolve()), count, None

    def open(self, client):
        self.client = client
        with client.transaction() as db:
            db.execute("create table if not exists out_line(path text, n integer, at integer, line blob, primary key (path, n))")
        self.written, self.end = client.db.execute(
            "select count(*), max(at + length(line)) from out_line where path = ?", (self.path,)).fetchone()
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        if self.end is None:
            self.end = os.fstat(self.file).st_size
        self.flushed = 0
        self.flush()

    def done(self):
        self.flush()
        return self.written >= self.count

    def deliver(self, db, message):
        line = message["body"] + b"\n"
        db.execute("insert into out_line values (?, ?, ?, ?)", (self.path, self.written, self.end, line))
        self.written += 1
        self.end += len(line)
        if self.written == self.count:
            self.client.pause()

    def flush(self):
        rows = self.client.db.execute("select at, line from out_line where path = ? and n >= ? order by n", (self.path, self.flushed))
        for at, line in rows.fetchall():
            os.pwrite(self.file, line, at)
            self.flushed += 1


async def finish(client, done):
    """Runs the client until done(); False if an end forbids reconnecting."""
    task = client.start()
    waiting = asyncio.create_task(client.wait(done))
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        if error := task.exception():
            raise error
        return False
    return True


async def send(args, key):
    client = Client(args.host, args.port, key, args.state, Quiet())
    to, content = Address.parse(args.to), Path(args.lines).read_bytes()
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    batch = hashlib.sha256(str(to).encode() + b"\n" + content).hexdigest()
    with client.transaction() as db:
        db.execute("create table if not exists batch(hash text primary key, first integer, last integer)")
        if not db.execute("select 1 from batch where hash = ?", (batch,)).fetchone() and lines:
            ids = [client.send(to, line) for line in lines]
            db.execute("insert into batch values (?, ?, ?)", (batch, ids[0], ids[-1]))
    first, last = client.db.execute("select first, last from batch where hash = ?", (batch,)).fetchone() or (0, -1)

    def left(*statuses):
        marks = ",".join("?" * len(statuses))
        return client.db.execute(f"select count(*) from gateway_sent where id between ? and ? and status in ({marks})",
                                 (first, last, *statuses)).fetchone()[0]

    ended = await finish(client, lambda: not left("open", "accepted"))
    good = ended and left("delivered", "read") == last - first + 1
    await client.close()
    return good


async def receive(args, key):
    writer = Writer(args.out, args.count)
    client = Client(args.host, args.port, key, args.state, writer)
    writer.open(client)
    if good := writer.done() or await finish(client, writer.done):
        await client.close()
        os.fsync(writer.file)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run, options in ((send, ("to", "lines")), (receive, ("count", "out"))):
        command = commands.add_parser(run.__name__)
        command.set_defaults(run=run)
        for name in ("host", "port", "key-file", "state") + options:
            command.add_argument(f"--{name}", required=True, type=int if name in ("port", "count") else str)
    args = parser.parse_args()
    return 0 if asyncio.run(args.run(args, KeyFile.read(args.key_file))) else 1


if __name__ == "__main__":
    sys.exit(main())
