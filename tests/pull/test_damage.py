#!/usr/bin/env python3
"""tempo pull: wrong bytes, hostile answers, several processes, kills, full disks."""
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
import unittest

from fake_hub import cut, instead, raw
from pull_case import BIG, PROGRAM, Pull


class TestDamage(Pull):
    def test_wrong_bytes(self):
        repo = self.gguf()
        self.hub.fault("storage", instead(BIG[:-1] + b"!"))
        self.refuses("has not the hash that the hub says", "org/name")
        self.assertEqual(os.listdir(self.repo("blobs")), [])
        self.assertFalse(os.path.exists(self.snapshot(repo)))
        near = self.hub.add("org/near", {"m.gguf": b"abc"})
        self.hub.fault("near", instead(b"abd"))
        self.refuses("has not the hash", "org/near")
        self.pulls("org/near")
        self.check_file(near, "m.gguf")

    def test_wrong_length(self):
        self.gguf()
        for wrong in (BIG[:-5], BIG + b"more"):
            self.hub.fault("storage", instead(wrong))
            self.refuses("the answer has %d bytes, the file 300000" % len(wrong), "org/name")
        self.hub.fault("storage", cut(400_000, "none"))
        self.pulls("org/name")
        shutil.rmtree(self.cache)
        self.hub.fault("storage", raw(b"HTTP/1.1 200 OK\r\n\r\n" + BIG + b"x"))
        self.refuses("more than the 300000 bytes", "org/name")

    def test_the_hub_contradicts_itself(self):
        repo = self.gguf()
        for headers, text in (({"X-Repo-Commit": "0" * 40}, "gives it from commit 0000"), ({"X-Linked-Etag": '"%s"' % ("0" * 64)}, "its hash is 0000"),
                              ({"X-Linked-Size": "5"}, "it has 5 bytes"), ({"Content-Encoding": "gzip"}, "encoding")):
            self.hub.fault("hub", lambda handler, body, headers=headers: handler.send(200, body, headers) or True)
            self.refuses(text, "org/name")
            self.assertFalse(os.path.exists(self.snapshot(repo)))

    def test_leftovers(self):
        repo = self.gguf()
        os.makedirs(self.repo("blobs"))
        for left, ranges in ((BIG[:5000], ["bytes=5000-"]), (b"x" * 5000, ["bytes=5000-", None]), (BIG + b"x", [None]), (BIG, []), (b"", [None])):
            with open(self.beginning(repo), "wb") as f:
                f.write(left)
            self.hub.requests.clear()
            self.pulls("org/name")
            self.check_file(repo, "m.gguf")
            self.assertEqual([r.headers.get("Range") for r in self.hub.requests if r.server == "storage"], ranges)
            os.unlink(self.repo("blobs", repo.hash("m.gguf")))
        for damage in (b"short", None):
            self.pulls("org/name")
            if damage:  # a blob of another length
                with open(self.repo("blobs", repo.hash("m.gguf")), "wb") as f:
                    f.write(damage)
            else:
                os.unlink(self.snapshot(repo, "m.gguf"))
                os.symlink("/etc/passwd", self.snapshot(repo, "m.gguf"))
            self.pulls("org/name")
            self.check_file(repo, "m.gguf")
        os.unlink(self.repo("blobs", repo.hash("m.gguf")))
        os.symlink("/dev/null", self.beginning(repo))
        self.refuses("cannot be opened", "org/name")

    def test_hostile_names(self):
        for name in ("../config.json", "/etc/passwd", "a/../../b.gguf", "a\\..\\b.gguf", "a\0b.gguf", "./m.gguf", "a//m.gguf", "", "..", "m.gguf/",
                     "\x1b[2J.gguf", "x" * 256 + ".gguf", "x/" * 600 + "m.gguf", 5, None, ["m.gguf"]):
            repo = self.gguf()
            repo.listed = list(repo.siblings()) + [{"rfilename": name, "size": 1, "blobId": "0" * 40}]
            self.refuses("siblings[1]: ", "org/name")
            self.assertFalse(os.path.exists(self.cache))
            self.assertNotIn("\x1b", self.err)

    def test_hostile_lists(self):
        repo = self.gguf()
        good = repo.info()

        def entry(**more):
            return {**good, "siblings": [{**next(repo.siblings()), **more}]}

        big = entry(lfs=None)
        big["siblings"] = [{"rfilename": "m-0000%d-of-00003.gguf" % i, "size": 2**62, "blobId": "0" * 40} for i in (1, 2, 3)]
        for text, body in (("sha: ", {**good, "sha": "../../x"}), ('"sha"', {**good, "sha": 5}), ("sha: ", {**good, "sha": None}),
                           ("siblings", {**good, "siblings": 7}), ("siblings", {**good, "siblings": [good["siblings"][0]] * 2}), ("an array", []),
                           ("sha256", entry(lfs={"sha256": "../" * 20, "size": 1})), ("sha256", entry(lfs={"sha256": "0" * 40, "size": 1})),
                           ("blobId", entry(lfs=None, blobId="x")), ("size", entry(lfs=None, size=-1)), ("size", entry(lfs=None, size=1.5)),
                           ("size", entry(lfs=None, size=2**64)), ("sizes together", big), ("holds no model", {**good, "siblings": []})):
            self.hub.fault("api", instead(json.dumps(body).encode()))
            self.refuses(text, "org/name")
        for text, body in (("found", b"5"), ("", b"<html>Log in first</html>"), ("", b"\xff\xfe"), ("MiB", b"{" + b" " * (17 << 20) + b"}"),
                           ("", b'{"a":' * 100_000 + b"}")):
            self.hub.fault("api", *[instead(body)] * 6)
            self.refuses(text, "org/name")
            self.hub.faults.clear()
        sent = []

        def endless(handler, body):
            handler.send_response(200)
            handler.end_headers()
            handler.close_connection = True
            while len(sent) < 200:
                handler.wfile.write(b"{" + b" " * (1 << 20))
                sent.append(1)
            return True

        self.hub.fault("api", endless)
        self.refuses("more than 16 MiB", "org/name")
        self.assertLess(len(sent), 60)  # the rest is in the way of it, in buffers
        many = [{"rfilename": "f%d" % i} for i in range(100_001)]
        self.hub.fault("api", instead(json.dumps({**good, "siblings": many}).encode()))
        self.refuses("the limit is 100000", "org/name")
        self.assertFalse(os.path.exists(self.cache))


class TestTogether(Pull):
    def hold(self, repo, n=100_000):
        """The next request of the storage gives n bytes and waits; -> the event that lets it go."""
        free = threading.Event()

        def half(handler, body):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:n])
            handler.wfile.flush()
            free.wait(30)
            handler.wfile.write(body[n:])
            return True

        self.hub.fault("storage", half)
        return free

    def wait_for(self, condition):
        for _ in range(6000):
            if condition():
                return
            time.sleep(0.005)
        self.fail("it never came to that")

    def has_bytes(self, repo, n=100_000):
        return lambda: os.path.exists(self.beginning(repo)) and os.path.getsize(self.beginning(repo)) >= n

    def test_killed(self):
        repo = self.gguf()
        for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)):
            free = self.hold(repo)
            process = self.start("pull", "org/name")
            self.wait_for(self.has_bytes(repo))
            process.send_signal(number)
            self.assertEqual(self.end(process), code)
            if code == 130:
                self.assertIn('"tempo pull org/name" goes on where this was', self.err)
            free.set()
            self.assertEqual(os.path.getsize(self.beginning(repo)), 100_000)
            self.assertEqual(self.run_tempo("pull", "org/name", "--dry-run"), 0, self.err)
            self.assertIn("(100.0 kB of it there)", self.out)
            self.hub.requests.clear()
            self.pulls("org/name")
            self.assertEqual([r.headers.get("Range") for r in self.hub.requests if r.server == "storage"], ["bytes=100000-"])
            self.check_file(repo, "m.gguf")
            shutil.rmtree(self.cache)

    def test_two_at_once(self):
        repo = self.gguf()
        free = self.hold(repo)
        first = self.start("pull", "org/name")
        self.wait_for(self.has_bytes(repo))
        second = self.start("pull", "org/name")
        self.wait_for(lambda: self.hub.count("hub", part="/api/models/") == 2)
        self.assertIn("another process is fetching it", second.stderr.readline())
        free.set()
        self.assertEqual(self.end(first), 0, self.err)
        self.assertEqual(self.end(second), 0, self.err)
        self.assertEqual(self.hub.count("storage"), 1)
        self.check_file(repo, "m.gguf")

    def test_the_first_is_killed(self):
        repo = self.gguf()
        free = self.hold(repo)
        first = self.start("pull", "org/name")
        self.wait_for(self.has_bytes(repo))
        second = self.start("pull", "org/name")
        self.assertIn("another process is fetching it", second.stderr.readline())
        first.kill()
        self.end(first)
        free.set()
        self.assertEqual(self.end(second), 0, self.err)
        self.check_file(repo, "m.gguf")
        self.assertEqual([r.headers.get("Range") for r in self.hub.requests if r.server == "storage"], [None, "bytes=100000-"])

    def test_the_clients_lock(self):
        """The hub's own client locks the same file."""
        repo = self.gguf()
        path = os.path.join(self.cache, ".locks", "models--org--name", repo.hash("m.gguf") + ".lock")
        os.makedirs(os.path.dirname(path))
        with open(path, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = self.start("pull", "org/name")
            self.assertIn("another process is fetching it", process.stderr.readline())
            os.makedirs(self.repo("blobs"))
            with open(self.repo("blobs", repo.hash("m.gguf")), "wb") as f:
                f.write(BIG)
        self.assertEqual(self.end(process), 0, self.err)
        self.check_file(repo, "m.gguf")
        self.assertEqual(self.hub.count("storage"), 0)
        with open(path, "w") as lock:  # and who waits can be stopped
            os.unlink(self.repo("blobs", repo.hash("m.gguf")))
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = self.start("pull", "org/name")
            self.assertIn("another process is fetching it", process.stderr.readline())
            process.send_signal(signal.SIGINT)
            self.assertEqual(self.end(process), 130)

    def test_many_at_once(self):
        repo = self.hub.add("org/name", {"config.json": b"{}", "model.safetensors": BIG}, lfs=["model.safetensors"])
        processes = [self.start("pull", "org/name") for _ in range(6)]
        for process in processes:
            self.assertEqual(self.end(process), 0, self.err)
        for name in repo.files:
            self.check_file(repo, name)
        self.assertEqual(self.hub.count("storage"), 1)

    def test_full_disk(self):
        repo = self.gguf()

        def limited(size):
            return subprocess.Popen([PROGRAM, "pull", "org/name"], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))

        self.assertEqual(self.end(limited(123_000)), 1)
        self.assertIn("m.gguf: cannot be written to " + self.cache, self.err)
        self.assertEqual(self.out, "")
        self.assertEqual(os.path.getsize(self.beginning(repo)), 123_000)
        self.hub.requests.clear()
        self.pulls("org/name")
        self.assertEqual([r.headers.get("Range") for r in self.hub.requests if r.server == "storage"], ["bytes=123000-"])
        self.check_file(repo, "m.gguf")
        huge = self.gguf(b"x", commit="d" * 40)  # more than there is room for: not begun
        huge.listed = [{"rfilename": "m.gguf", "size": 2**60, "lfs": {"sha256": "0" * 64, "size": 2**60}}]
        self.hub.requests.clear()
        self.refuses("No space left on device", "org/name")
        self.assertEqual(self.hub.count("storage"), 0)

    def test_a_cache_that_cannot_be_written(self):
        self.gguf()
        os.makedirs(os.path.dirname(self.cache))
        with open(self.cache, "w"):
            pass
        self.refuses("cannot be made", "org/name")


if __name__ == "__main__":
    unittest.main(verbosity=0)
