"""A hub of models for tests, and a second server to which it redirects what git-lfs keeps: both on this machine.

    hub = FakeHub()                         # runs until hub.close()
    repo = hub.add("org/name", {"config.json": b"{}", "model.safetensors": bytes}, lfs=["model.safetensors"])
    hub.url, hub.storage.url                # http://127.0.0.1:PORT, http://localhost:PORT
    hub.requests                            # [Request(server, method, path, headers)] that came, in their order
    hub.fault("storage", cut(1000))         # the next request there goes wrong like that; several are used up in turn

It speaks as much of the hub's interface as huggingface_hub and tempo use.  A fault is a function of the handler and of the body
that would be sent; it answers, or returns what is to be sent in place of the body, or None for the usual answer."""
import collections
import hashlib
import http.server
import json
import re
import socket
import ssl
import struct
import threading
import urllib.parse

Request = collections.namedtuple("Request", "server method path headers")


class Repo:
    def __init__(self, name, files, lfs=(), commit=None, branches=("main",), gated=False, private=False):
        self.name, self.files, self.gated, self.private = name, dict(files), gated, private
        self.lfs = {f for f in files if f in lfs}
        self.commit = commit or hashlib.sha1(repr(sorted(files)).encode() + name.encode()).hexdigest()
        self.revisions = {self.commit: self.commit, **{b: self.commit for b in branches}}
        self.listed = None  # in place of what siblings() says

    def hash(self, name):
        data = self.files[name]
        return hashlib.sha256(data).hexdigest() if name in self.lfs else git_hash(data)

    def siblings(self):
        for name, data in self.files.items():
            entry = {"rfilename": name, "size": len(data), "blobId": git_hash(data)}
            if name in self.lfs:
                entry["lfs"] = {"sha256": self.hash(name), "size": len(data), "pointerSize": 134}
            yield entry

    def info(self):
        listed = self.listed if self.listed is not None else list(self.siblings())
        return {"_id": "0", "id": self.name, "modelId": self.name, "sha": self.commit, "private": self.private, "gated": self.gated,
                "disabled": False, "tags": [], "downloads": 0, "likes": 0, "siblings": listed}

    def tree(self):
        for name, data in self.files.items():
            entry = {"type": "file", "path": name, "size": len(data), "oid": git_hash(data)}
            if name in self.lfs:
                entry["lfs"] = {"oid": self.hash(name), "size": len(data), "pointerSize": 134}
            yield entry


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake-hub"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):
        with self.server.lock:
            self.server.hub.requests.append(Request(self.server.kind, self.command, self.path, dict(self.headers.items())))
        try:
            self.answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_HEAD = do_GET

    def send(self, status, body=b"", headers=(), length=None):
        """An answer with its body; `length` is what it says of itself, where that is something else."""
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if length != "none":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        else:
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code=None, text="", headers=()):
        extra = {"X-Error-Code": code, "X-Error-Message": text} if code else {}
        self.send(status, json.dumps({"error": text or "no"}).encode(), {**extra, **dict(headers)})

    def hang_up(self, reset=False):
        self.close_connection = True
        self.wfile.flush()
        if reset:  # a reset in place of an orderly end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def send_file(self, data, headers=()):
        """With ranges."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(wanted.group(1)) if wanted else 0
        if wanted and first >= len(data):
            return self.send(416, b"", {"Content-Range": "bytes */%d" % len(data)})
        if not wanted:
            return self.send(200, data, headers)
        return self.send(206, data[first:], {**dict(headers), "Content-Range": "bytes %d-%d/%d" % (first, len(data) - 1, len(data))})

    def broken(self, name, body=b""):
        """The fault that is due, if there is one: True when it has answered, else the body that is to be sent."""
        with self.server.lock:
            due = self.server.hub.faults[name]
            fault = due.pop(0) if due else None
        self.fault_body = fault(self, body) if fault else None
        return self.fault_body is True

    def answer(self):
        if self.server.kind == "storage":
            return self.answer_storage()
        path = urllib.parse.urlsplit(self.path).path
        for pattern, method in ((r"/api/models/(.+?)/revision/(.+)", self.answer_info), (r"/api/models/(.+?)/tree/(.+)", self.answer_tree),
                                (r"/api/resolve-cache/models/(.+?)/([0-9a-f]{40})/(.+)", self.answer_near),
                                (r"/api/models/([^/]+(?:/[^/]+)?)", self.answer_info), (r"/(.+?)/resolve/([^/]+)/(.+)", self.answer_file)):
            match = re.fullmatch(pattern, path)
            if match:
                return method(*map(urllib.parse.unquote, match.groups()))
        return self.refuse(404)

    def find(self, name, revision):
        repo = self.server.hub.repos.get(name)
        token = self.headers.get("Authorization")
        if token and token != "Bearer " + self.server.hub.token:
            self.refuse(401, None, "Invalid credentials in Authorization header")
        elif repo is None or (repo.private and not token):
            self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        elif revision not in repo.revisions:
            self.refuse(404, "RevisionNotFound", "Invalid rev id: " + revision)
        else:
            return repo
        return None

    def answer_info(self, name, revision="main"):
        repo = self.find(name, revision)
        if repo and not self.broken("api", json.dumps(repo.info()).encode()):
            self.send(200, self.fault_body or json.dumps(repo.info()).encode(), {"Content-Type": "application/json"})

    def answer_tree(self, name, revision):
        repo = self.find(name, revision)
        if repo:
            self.send(200, json.dumps(list(repo.tree())).encode(), {"Content-Type": "application/json"})

    def answer_file(self, name, revision, path):
        repo = self.find(name, revision)
        if repo is None:
            return None
        if repo.gated and self.headers.get("Authorization") is None:
            return self.refuse(401, "GatedRepo", "Access to model %s is restricted. You must have access to it and be authenticated." % name)
        if repo.gated == "refused":
            return self.refuse(403, "GatedRepo", "Access to model %s is restricted and you are not in the authorized list." % name)
        if path not in repo.files:
            return self.refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.commit})
        headers = {"X-Repo-Commit": repo.commit}
        if self.broken("hub", repo.files[path]):
            return None
        if path in repo.lfs:
            headers.update({"X-Linked-Etag": '"%s"' % repo.hash(path), "X-Linked-Size": str(len(repo.files[path])),
                            "Location": self.server.hub.storage.url + "/file/" + repo.hash(path) + "?signed=1"})
            return self.send(302, b"Found", headers)
        headers["Location"] = "/api/resolve-cache/models/%s/%s/%s" % (name, repo.commit, urllib.parse.quote(path))
        return self.send(307, b"Temporary Redirect", headers)

    def answer_near(self, name, revision, path):
        repo = self.server.hub.repos[name]
        data = repo.files[path]
        if not self.broken("near", data):
            data = data if self.fault_body is None else self.fault_body
            self.send_file(data, {"X-Repo-Commit": repo.commit, "ETag": '"%s"' % repo.hash(path)})

    def answer_storage(self):
        hash_ = urllib.parse.urlsplit(self.path).path.rsplit("/", 1)[1]
        for repo in self.server.hub.repos.values():
            for name in repo.lfs:
                if repo.hash(name) == hash_:
                    if not self.broken("storage", repo.files[name]):
                        data = repo.files[name] if self.fault_body is None else self.fault_body
                        self.send_file(data, {"ETag": '"of-the-storage"'})
                    return
        self.refuse(404)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub, kind, host, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub, self.kind, self.lock = hub, kind, hub.lock
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = "%s://%s:%d" % ("https" if tls else "http", host, self.server_address[1])
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class FakeHub:
    def __init__(self, token="hf_of_tests", tls=None):
        self.token, self.repos, self.requests = token, {}, []
        self.faults, self.lock = collections.defaultdict(list), threading.Lock()
        self.server = Server(self, "hub", "127.0.0.1", tls)
        self.storage = Server(self, "storage", "localhost")
        self.url = self.server.url

    def add(self, name, files, **options):
        self.repos[name] = Repo(name, files, **options)
        return self.repos[name]

    def fault(self, where, *faults):
        self.faults[where].extend(faults)

    def count(self, server=None, method=None, part=""):
        return sum((server is None or r.server == server) and (method is None or r.method == method) and part in r.path
                   for r in self.requests)

    def close(self):
        for server in (self.server, self.storage):
            server.shutdown()
            server.server_close()


# ---- faults ----

def nothing(handler, body):
    """The connection ends before the first byte."""
    handler.hang_up()
    return True


def reset(handler, body):
    handler.hang_up(reset=True)
    return True


def raw(*pieces):
    """These bytes, then the end."""
    def fault(handler, body):
        for piece in pieces:
            handler.wfile.write(piece)
        handler.hang_up()
        return True
    return fault


def cut(n, length=None):
    """The first n bytes of what is asked for, under the headers of all of it; or saying that it has another length."""
    def fault(handler, body):
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        first = int(wanted.group(1)) if wanted else 0
        rest = body[first:]
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", "bytes %d-%d/%d" % (first, len(body) - 1, len(body)))
        if length != "none":
            handler.send_header("Content-Length", str(len(rest) if length is None else length))
        handler.end_headers()
        handler.wfile.write(rest[:n])
        handler.hang_up()
        return True
    return fault


def status(number, headers=(), code=None, text=""):
    def fault(handler, body):
        handler.refuse(number, code, text, headers)
        return True
    return fault


def redirect(location, number=302):
    def fault(handler, body):
        handler.send(number, b"", {"Location": location})
        return True
    return fault


def ignore_range(handler, body):
    handler.send(200, body)
    return True


def instead(data, **headers):
    """Other bytes, whole."""
    def fault(handler, body):
        handler.send(200, data, {name.replace("_", "-"): value for name, value in headers.items()})
        return True
    return fault
