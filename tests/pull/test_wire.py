#!/usr/bin/env python3
"""tempo pull: refusals, and connections that fail in every way."""
import os
import shutil
import subprocess
import threading
import unittest

import fake_hub
from fake_hub import cut, ignore_range, nothing, raw, redirect, reset, status
from pull_case import BIG, Pull


class TestRefusals(Pull):
    def test_statuses(self):
        self.gguf()
        self.refuses("the hub has no repository org/no, or it is private", "org/no")
        self.refuses("has no repository org/no\n", "org/no", HF_TOKEN="hf_of_tests")
        self.hub.fault("hub", status(404, code="EntryNotFound"))
        self.refuses("m.gguf: the hub has no such file in org/name", "org/name")
        self.hub.fault("hub", status(404))
        self.refuses("not found at", "org/name")
        self.hub.fault("hub", status(410, text="moved away\x1b[2J"))
        self.refuses("answers 410", "org/name")
        self.assertNotIn("\x1b", self.err)
        self.hub.fault("storage", status(403))  # a signed URL that is too old
        self.refuses("403", "org/name")

    def test_gated(self):
        self.gguf(gated=True)
        self.refuses("org/name is gated: accept its terms at %s/org/name with your account, then set HF_TOKEN" % self.hub.url, "org/name")
        self.pulls("org/name", "--dry-run")  # the list may be seen
        self.pulls("org/name", HF_TOKEN="hf_of_tests")
        self.hub.add("org/other", {"m.gguf": BIG}, gated="refused")
        self.refuses("the one that the token belongs to", "org/other", HF_TOKEN="hf_of_tests")
        self.assertIn("not in the authorized list", self.err)

    def test_patience(self):
        self.gguf()
        for where in ("api", "hub", "storage"):
            self.hub.fault(where, *(status(n) for n in (429, 500, 502, 503, 504)))
            self.pulls("org/name")
            self.assertIn("answers 429", self.err)
            shutil.rmtree(self.cache)
        self.hub.fault("api", status(429, {"Retry-After": "1"}))
        self.pulls("org/name")
        self.assertIn("again in 1.0 s", self.err)
        self.hub.fault("api", status(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}))
        self.pulls("org/name")
        before = len(self.hub.requests)
        self.hub.fault("api", status(429, {"Retry-After": "86400"}))
        self.refuses("it should be asked again in 86400 s, not earlier", "org/name")
        self.assertEqual(len(self.hub.requests) - before, 1)
        self.hub.fault("api", *[status(503)] * 20)
        before = len(self.hub.requests)
        self.refuses("given up after 6 tries", "org/name")
        self.assertEqual(len(self.hub.requests) - before, 6)

    def test_nobody_there(self):
        self.refuses("onnect", "org/name", HF_ENDPOINT="http://127.0.0.1:1")
        self.assertNotIn("again in", self.err)
        for bad in ("ftp://127.0.0.1", "http://", "https://user:pw@host", "http://a b", "nonsense"):
            self.refuses("HF_ENDPOINT", "org/name", HF_ENDPOINT=bad, code=2)
            self.assertNotIn("pw", self.err)

    def test_offline(self):
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            for value in ("1", "yes", "TRUE", "On"):
                self.refuses(name + "=" + value + " is set", "org/name", **{name: value})
        self.assertEqual(self.hub.requests, [])
        self.gguf()
        self.pulls("org/name", HF_HUB_OFFLINE="0")

    def test_nothing_without_being_asked(self):
        self.assertEqual(self.run_tempo("inspect", "org/name"), 1)
        self.assertIn('fetch it with "tempo pull org/name"', self.err)
        self.assertEqual(self.run_tempo("generate", "-m", "org/name:Q8_0@v1", "-p", "a"), 1)
        self.assertIn('"tempo pull org/name:Q8_0@v1"', self.err)
        self.assertEqual(self.hub.requests, [])


CUTS = {
    "before the headers": nothing,
    "reset": reset,
    "in the status": raw(b"HTTP/1.1 20"),
    "in the headers": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Some"),
    "after a header": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"),
    "before the body": cut(0),
    "in the body": cut(100),
    "in a body of unknown length": cut(100, "none"),
    "in a chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n{\"sh"),
    "no HTTP": raw(b"\0\0\0\0\0\0"),
}


class TestConnections(Pull):
    def test_cut_anywhere(self):
        for name, fault in CUTS.items():
            for where in ("api", "hub", "near", "storage"):
                with self.subTest(cut=name, where=where):
                    repo = self.hub.add("org/name", {"config.json": b"{}" * 150, "model.safetensors": BIG}, lfs=["model.safetensors"])
                    # a chunk that is not what the file begins with: the hash finds that, and all of it comes once more
                    self.hub.fault(where, fault, fault)
                    self.pulls("org/name")
                    self.assertEqual(self.hub.faults[where], [])
                    for file in repo.files:
                        self.check_file(repo, file)
                    self.assertEqual(sorted(os.listdir(self.repo("blobs"))), sorted(map(repo.hash, repo.files)))
                    shutil.rmtree(self.cache)

    def test_cut_for_ever(self):
        repo = self.gguf()
        self.hub.fault("storage", *[cut(0)] * 20)
        self.refuses("given up after 6 tries", "org/name")
        self.hub.faults.clear()
        self.hub.fault("storage", *[cut(1000)] * 20)  # each try brings something: it goes on
        self.pulls("org/name")
        self.check_file(repo, "m.gguf")

    def test_quiet(self):
        repo = self.gguf()
        free = threading.Event()

        def stall(handler, body):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:1000])
            free.wait(20)
            handler.hang_up()
            return True

        self.hub.fault("storage", stall)
        self.pulls("org/name", HF_HUB_DOWNLOAD_TIMEOUT="1")
        free.set()
        self.assertIn("nothing has come for 1 s", self.err)
        self.check_file(repo, "m.gguf")
        self.refuses("HF_HUB_DOWNLOAD_TIMEOUT is '0'", "org/name", HF_HUB_DOWNLOAD_TIMEOUT="0", code=2)

    def test_resume(self):
        repo = self.gguf()
        self.hub.fault("storage", cut(1000), cut(500))
        self.pulls("org/name")
        self.assertEqual([r.headers.get("Range") for r in self.hub.requests if r.server == "storage"], [None, "bytes=1000-", "bytes=1500-"])
        self.check_file(repo, "m.gguf")

    def test_ranges_that_are_not(self):
        repo = self.gguf()
        for second in (ignore_range, raw(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes */300000\r\n\r\n")):
            self.hub.fault("storage", cut(1000), second)
            self.pulls("org/name")
            self.check_file(repo, "m.gguf")
            shutil.rmtree(self.cache)
        for line in (b"bytes 0-299999/300000", b"bytes 1000-299999/400000", b"nonsense", b"bytes 1001-2000/*"):
            self.hub.fault("storage", cut(1000), raw(b"HTTP/1.1 206 Partial\r\nContent-Length: 5\r\nContent-Range: " + line + b"\r\n\r\nabcde"))
            self.refuses("asked for bytes from 1000 of 300000", "org/name")
            shutil.rmtree(self.cache)

    def test_redirects(self):
        self.gguf()
        for location, text in (("file:///etc/passwd", "no"), ("ftp://127.0.0.1/x", "ftp"), ("gopher://127.0.0.1:70/1", "gopher"),
                               ("http://[::", "no URL"), ("/" + "x" * 9000, "more than")):
            self.hub.fault("hub", redirect(location))
            self.refuses(text, "org/name")
        self.hub.fault("hub", *[redirect("/org/name/resolve/%s/m.gguf" % self.hub.repos["org/name"].commit)] * 30)
        self.refuses("more than 10 redirects", "org/name")
        self.assertLess(len(self.hub.requests), 60)
        self.hub.faults.clear()
        for number in (301, 303, 307, 308):
            self.hub.fault("hub", redirect("../../../name/resolve/%s/m.gguf" % self.hub.repos["org/name"].commit, number))
            self.pulls("org/name")
            shutil.rmtree(self.cache)
        self.hub.fault("hub", redirect("http://someone:secret@" + self.hub.storage.url[7:] + "/file/" + self.hub.repos["org/name"].hash("m.gguf")))
        self.pulls("org/name")
        self.assertEqual([r.headers.get("Authorization") for r in self.hub.requests if r.server == "storage"], [None] * 5)

    def test_headers_without_end(self):
        self.gguf()
        self.hub.fault("api", raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000))
        self.refuses("KiB of headers", "org/name")
        self.hub.fault("api", raw(b"HTTP/1.1 404 No\r\n\r\n" + b"x" * 3_000_000))
        self.refuses("not found", "org/name")

    def test_proxy(self):
        repo = self.gguf()
        self.environment["HF_ENDPOINT"] = "http://hub.invalid/"
        self.hub.fault("hub", redirect("http://elsewhere.invalid/api/resolve-cache/models/org/name/%s/m.gguf" % repo.commit))
        self.pulls("org/name", http_proxy=self.hub.url)
        self.check_file(repo, "m.gguf")
        self.assertTrue(self.hub.requests[0].path.startswith("http://hub.invalid/api/models/org/name/revision/main"))

    def test_https(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl to make a certificate with")
        key, certificate = os.path.join(self.dir, "key.pem"), os.path.join(self.dir, "certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        hub = fake_hub.FakeHub(tls=(certificate, key))
        self.environment.update(HF_ENDPOINT=hub.url, HF_TOKEN="hf_of_tests")
        near = hub.add("org/near", {"m.gguf": BIG})
        hub.add("org/name", {"m.gguf": BIG}, lfs=["m.gguf"])
        self.refuses("certificate", "org/near")
        self.assertNotIn("again in", self.err)
        self.assertEqual(hub.requests, [])
        self.pulls("org/near", SSL_CERT_FILE=certificate)
        self.check_file(near, "m.gguf")
        self.refuses("from https to http", "org/name", CURL_CA_BUNDLE=certificate)  # its storage has http
        self.assertEqual(hub.count("storage"), 0)
        hub.close()


if __name__ == "__main__":
    unittest.main(verbosity=0)
