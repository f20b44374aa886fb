"""An object store on loopback that keeps conditions on puts: as much of S3 and Google Cloud Storage as is used.

One lock makes check and write one step, which is what the real ones promise. `faults` are taken one by one by the
next puts with a condition: "lost" (written, but the answer never comes), "conflict" (409), "busy" (503), "denied" (403).
`on_put(key)` is called before a put is looked at.
"""

import contextlib
import hashlib
import socket
import threading
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONDITIONS = ["If-Match", "If-None-Match", "x-goog-if-generation-match"]
FAULTS = {
    "conflict": (409, "ConditionalRequestConflict"),
    "busy": (503, "SlowDown"),
    "denied": (403, "AccessDenied"),
}


class ObjectsServer:
    """`objects`: (bucket, key) -> (bytes, ETag, generation); `seen`: (method, path, headers) of all requests."""

    def __init__(self, *buckets):
        self.buckets = set(buckets or ["bucket"])
        self.objects = {}
        self.pieces = {}
        self.seen = []
        self.faults = []
        self.keeps_conditions = True
        self.on_put = lambda key: None
        self.connections = set()
        self.lock = threading.Lock()
        self._generation = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"store": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def keys(self):
        with self.lock:
            return sorted(key for _, key in self.objects)

    def stop(self):
        self._server.shutdown()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def environment(self):
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIACANARYID",
            "AWS_SECRET_ACCESS_KEY": "canary-secret-of-the-store",
            "AWS_REGION": "us-east-1",
            "GOOGLE_BASE_URL": self.url,
            "GOOGLE_BEARER_TOKEN": "canary-secret-of-google",
        }

    def write(self, place, data, headers):
        """Whether the condition held; check and write are one step."""
        with self.lock:
            old = self.objects.get(place)
            if self.keeps_conditions and not _holds(headers, old):
                return None
            self._generation += 1
            new = (data, f'"{hashlib.md5(data).hexdigest()}"', str(self._generation))
            self.objects[place] = new
            return new


def _holds(headers, old):
    generation = headers.get("x-goog-if-generation-match")
    if generation is not None:
        return generation == (old[2] if old else "0")
    if headers.get("If-None-Match") == "*":
        return old is None
    return "If-Match" not in headers or (old is not None and headers["If-Match"] == old[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # headers and body in one packet
    store = None

    def setup(self):
        super().setup()
        self.connection.settimeout(30)
        self.store.connections.add(self.connection)

    def log_message(self, *args):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        _, bucket, *key = path.split("/", 2)
        self.place = (bucket, urllib.parse.unquote(key[0]) if key else "")
        self.asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.store.seen.append((self.command, self.path, dict(self.headers)))
        if bucket not in self.store.buckets:
            return self._error(404, "NoSuchBucket")
        return getattr(self, f"_{self.command.lower()}")(data)

    def _put(self, data):
        if "partNumber" in self.asked:
            self.store.pieces[self.asked["uploadId"], int(self.asked["partNumber"])] = data
            return self._reply(200, b"", {"ETag": '"piece"'})
        self.store.on_put(self.place[1])
        conditional = any(name in self.headers for name in CONDITIONS)
        fault = self.store.faults.pop(0) if conditional and self.store.faults else None
        if fault in FAULTS:
            return self._error(*FAULTS[fault])
        new = self.store.write(self.place, data, self.headers)
        if new is None:
            return self._error(412, "PreconditionFailed")
        if fault == "lost":
            self.close_connection = True
            return self.connection.close()
        return self._reply(200, b"", _named(new))

    def _get(self, data):
        if "list-type" in self.asked:
            return self._list()
        found = self.store.objects.get(self.place)
        if found is None:
            return self._error(404, "NoSuchKey")
        facts = {**_named(found), "Last-Modified": "Sat, 21 Nov 2026 06:00:00 GMT"}
        if "Range" not in self.headers:
            return self._reply(200, found[0], facts)
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        facts["Content-Range"] = f"bytes {first}-{last}/{len(found[0])}"
        return self._reply(206, found[0][first : last + 1], facts)

    _head = _get

    def _delete(self, data):
        with self.store.lock:
            self.store.objects.pop(self.place, None)
        return self._reply(204, b"")

    def _post(self, data):
        if "delete" in self.asked:
            keys = [each.text for each in ET.fromstring(data).iter() if each.tag.endswith("Key")]
            with self.store.lock:
                for key in keys:
                    self.store.objects.pop((self.place[0], key), None)
            gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            return self._reply(200, f"<DeleteResult>{gone}</DeleteResult>".encode())
        if "uploads" in self.asked:
            upload = uuid.uuid4().hex
            return self._reply(
                200, _xml("InitiateMultipartUploadResult", UploadId=upload, Bucket="b", Key="k")
            )
        pieces = [
            self.store.pieces[place]
            for place in sorted(self.store.pieces)
            if place[0] == self.asked["uploadId"]
        ]
        new = self.store.write(self.place, b"".join(pieces), self.headers)
        return self._reply(
            200, _xml("CompleteMultipartUploadResult", ETag=new[1], Location="l", Bucket="b", Key="k")
        )

    def _list(self):
        prefix = self.asked.get("prefix", "")
        with self.store.lock:
            found = sorted(
                (key, *value) for (b, key), value in self.store.objects.items() if b == self.place[0]
            )
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-11-21T06:00:00.000Z</LastModified>"
            f"<ETag>{etag.strip(chr(34))}</ETag><Size>{len(data)}</Size></Contents>"
            for key, data, etag, _ in found
            if key.startswith(prefix)
        )
        self._reply(
            200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()
        )

    def _error(self, status, code):
        self._reply(status, _xml("Error", Code=code, Message="as it says"))

    def _reply(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _named(found):
    return {"ETag": found[1], "x-goog-generation": found[2]}


def _xml(name, **fields):
    return f"<{name}>{''.join(f'<{k}>{v}</{k}>' for k, v in fields.items())}</{name}>".encode()
