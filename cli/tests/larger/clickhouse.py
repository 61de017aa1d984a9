"""ClickHouse's engine behind ClickHouse's HTTP protocol, as far as the Collector's exporter speaks it.

No server of ClickHouse can be installed by the tests. chdb is its engine as a library: it makes the exporter's tables
and stores the exporter's blocks. This program carries statements and answers between the two.

Usage: clickhouse.py PORT DIRECTORY. A POST to `/` is the exporter's. The test posts statements to `/sql`, which are
answered in JSON, and to `/refuse` or `/accept`. While inserts are refused, `/refuse` answers how many have been.
"""

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb.session import Session

PORT, DIRECTORY = int(sys.argv[1]), sys.argv[2]
# The driver reads answers by the rules of this revision until it knows the server's: each block begins with its flags,
# each column says whether its encoding is a special one.
BLOCK = bytes([1, 0, 2, 255, 255, 255, 255, 0])
INSERT = re.compile(r"(INSERT INTO .*) FORMAT Native", re.DOTALL)

engine = Session(os.path.join(DIRECTORY, "store"))
# The engine takes one statement at a time.
turn = threading.Lock()
refused = None


def number(value):
    """A number as the format Native writes lengths."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def text(value):
    encoded = value.encode()
    return number(len(encoded)) + encoded


def native(answer):
    """An answer of texts and of numbers of 32 bits, in the format Native."""
    rows = answer["data"]
    block = BLOCK + number(len(answer["meta"])) + number(len(rows))
    for index, column in enumerate(answer["meta"]):
        values = [row[index] for row in rows]
        if column["type"] == "UInt32":
            encoded = [value.to_bytes(4, "little") for value in values]
        else:
            column, encoded = {**column, "type": "String"}, map(text, values)
        block += text(column["name"]) + text(column["type"]) + b"\0" + b"".join(encoded)
    return block


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        address, body = urlsplit(self.path), self.body()
        try:
            with turn:
                answer = self.run(address, body)
        except Exception as error:
            return self.answer(500, str(error).encode())
        return self.answer(200, answer)

    def run(self, address, body):
        global refused
        if address.path == "/refuse":
            refused = refused or 0
            return str(refused).encode()
        if address.path == "/accept":
            refused = None
            return b""
        if address.path == "/sql":
            return engine.query(body.decode(), "JSON").bytes()
        statement = parse_qs(address.query).get("query")
        if statement is None:
            answer = engine.query(body.decode(), "JSONCompact").bytes()
            return native(json.loads(answer)) if answer else b""
        if refused is not None:
            refused += 1
            raise RuntimeError("the test lets every insert fail")
        insert = INSERT.fullmatch(statement[0].strip()).group(1)
        block = os.path.join(DIRECTORY, "block")
        with open(block, "wb") as file:
            file.write(body)
        engine.query(f"{insert} SELECT * FROM file('{block}', Native)")
        return b""

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
