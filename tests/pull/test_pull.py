#!/usr/bin/env python3
"""tempo pull against a hub made for it.  Usage: test_pull.py PROGRAM [TEST...], from the source root."""
import fcntl
import glob
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_hub
from fake_hub import cut, ignore_range, instead, nothing, raw, redirect, reset, status, usual

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/tempo"
TINY = "models/tempo-tiny"
BIG = random.Random(1).randbytes(300_000)  # as a GGUF file: what is in it is nobody's business here


def tiny_files():
    return {path.name: path.read_bytes() for path in pathlib.Path(TINY).iterdir()}


def gguf_files(*names):
    return {name: hashlib.sha256(name.encode()).digest() * 40 for name in names}


class Pull(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tempo-pull.")
        self.hub = fake_hub.FakeHub()
        self.cache = os.path.join(self.dir, "hf", "hub")
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.dir, "HF_HOME": os.path.join(self.dir, "hf"),
                            "HF_ENDPOINT": self.hub.url, "TEMPO_PULL_WAIT_MS": "1"}

    def tearDown(self):
        self.hub.close()
        shutil.rmtree(self.dir)

    # ---- running ----

    def start(self, *words, **more):
        return subprocess.Popen([PROGRAM, *words], env={**self.environment, **more}, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process):
        self.out, self.err = process.communicate(timeout=60)
        return process.returncode

    def run_tempo(self, *words, **more):
        return self.end(self.start(*words, **more))

    def pulls(self, *words, **more):
        code = self.run_tempo("pull", *words, **more)
        self.assertEqual(code, 0, self.err)
        return self.out.strip()

    def refuses(self, text, *words, code=1, **more):
        self.assertEqual(self.run_tempo("pull", *words, **more), code, self.out + self.err)
        self.assertIn(text, self.err)
        self.assertEqual(self.out, "")
        self.assertTrue(self.err.startswith("tempo: "), self.err)

    # ---- looking ----

    def repo(self, *parts, name="org/name"):
        return os.path.join(self.cache, "models--" + name.replace("/", "--"), *parts)

    def snapshot(self, repo, *parts):
        return self.repo("snapshots", repo.commit, *parts, name=repo.name)

    def pulled(self, repo):
        top = self.snapshot(repo)
        return sorted(os.path.relpath(p, top) for p in glob.glob(top + "/**", recursive=True) if not os.path.isdir(p))

    def check_file(self, repo, name):
        path = self.snapshot(repo, name)
        self.assertEqual(os.readlink(path), "../" * (2 + name.count("/")) + "blobs/" + repo.hash(name))
        with open(path, "rb") as f:
            self.assertTrue(f.read() == repo.files[name], name)

    def gguf(self, data=BIG, **options):
        return self.hub.add("org/name", {"m.gguf": data}, lfs=["m.gguf"], **options)

    def beginning(self, repo, name="m.gguf"):
        return self.repo("blobs", repo.hash(name) + ".incomplete", name=repo.name)


class TestFiles(Pull):
    def test_directory(self):
        files = {**tiny_files(), "README.md": b"no", "pytorch_model.bin": b"no", "original/model.safetensors": b"no",
                 "consolidated.safetensors": b"no", "vocab.json": b"{}"}
        lfs = [name for name in files if name.endswith(".safetensors")]
        repo = self.hub.add("org/name", files, lfs=lfs)
        self.assertEqual(self.pulls("org/name"), self.snapshot(repo))
        want = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
        self.assertEqual(self.pulled(repo), sorted(set(want) & set(files)))
        for name in self.pulled(repo):
            self.check_file(repo, name)
        with open(self.repo("refs", "main")) as f:
            self.assertEqual(f.read(), repo.commit)
        self.assertEqual(sorted(os.listdir(self.repo("blobs"))), sorted(repo.hash(n) for n in self.pulled(repo)))
        self.assertEqual(self.run_tempo("inspect", "org/name"), 0, self.err)
        self.assertIn("layers", self.out)
        before = len(self.hub.requests)
        self.pulls("org/name")  # nothing is fetched again
        self.assertEqual(len(self.hub.requests) - before, 1)

    def test_lists_of_tokens(self):
        """In place of a tokenizer.json, and only then; a model may lie in a folder."""
        names = ["config.json", "model.safetensors", "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json", "vocab.txt"]
        repo = self.hub.add("org/name", {"sub/" + name: b"{}" for name in names})
        self.assertEqual(self.pulls("org/name/sub"), self.snapshot(repo, "sub"))
        self.assertEqual(self.pulled(repo), sorted("sub/" + name for name in names if name != "vocab.txt"))
        self.refuses("holds no model", "org/name")

    def test_shards(self):
        index = {"metadata": {}, "weight_map": {"a": "part-2.safetensors", "b": "part-1.safetensors", "c": "part-2.safetensors"}}
        files = {"config.json": b"{}", "model.safetensors.index.json": json.dumps(index).encode(), "part-1.safetensors": b"1",
                 "part-2.safetensors": b"2", "part-3.safetensors": b"3", "chat_template.jinja": b"{{ 1 }}"}
        repo = self.hub.add("org/name", files)
        self.pulls("org/name")
        self.assertEqual(self.pulled(repo), sorted(set(files) - {"part-3.safetensors"}))
        self.pulls("org/name")  # the index is read from the cache
        self.assertEqual(self.hub.count(method="GET", part="index.json"), 4)  # twice, each a redirect of the hub and the file
        for bad in (b"[]", b'{"weight_map": {}}', b'{"weight_map": {"a": "../part-1.safetensors"}}', b'{"weight_map": {"a": 1}}',
                    b'{"weight_map": {"a": "not-there.safetensors"}}', b'{"weight_map": 5}', b"{"):
            self.hub.add("org/bad", {**files, "model.safetensors.index.json": bad}, commit=hashlib.sha1(bad).hexdigest())
            self.refuses("index.json", "org/bad")

    def test_which_gguf(self):
        names = ["M-Q4_K_M.gguf", "M-Q4_K_S.gguf", "M-Q8_0.gguf", "mmproj-M.gguf", "big/M-BF16-00001-of-00002.gguf",
                 "big/M-BF16-00002-of-00002.gguf", "deep/er/M-F32.gguf", "one/two/three/four/M-Q2_K.gguf", ".hidden/M-Q3_K.gguf"]
        repo = self.hub.add("org/name", {**gguf_files(*names), "config.json": b"{}"}, lfs=names, branches=["main", "v1", "a/b"])
        for name, path in (("org/name:Q8_0", "M-Q8_0.gguf"), ("org/name:q4_k_s", "M-Q4_K_S.gguf"),
                           ("org/name@v1:BF16", "big/M-BF16-00001-of-00002.gguf"), ("org/name/deep/er/M-F32.gguf", "deep/er/M-F32.gguf"),
                           ("org/name/deep", "deep/er/M-F32.gguf"), ("org/name@a/b:F32", "deep/er/M-F32.gguf"),
                           ("org/name@a/b/M-Q8_0.gguf", "M-Q8_0.gguf"), ("org/name/big/M-BF16-00002-of-00002.gguf", "big/M-BF16-00001-of-00002.gguf"),
                           ("org/name/mmproj-M.gguf", "mmproj-M.gguf")):
            self.assertEqual(self.pulls(name), self.snapshot(repo, path), name)
            self.assertEqual(self.run_tempo("inspect", name), 1)  # it is found under that name; it is no GGUF file
            self.assertIn(path.split("0000")[0], self.err)
            shutil.rmtree(self.repo("snapshots"))
        self.pulls("org/name:BF16")
        self.assertEqual(self.pulled(repo), ["big/M-BF16-00001-of-00002.gguf", "big/M-BF16-00002-of-00002.gguf"])
        for name in self.pulled(repo):
            self.check_file(repo, name)
        shutil.rmtree(self.repo("snapshots"))
        self.pulls("org/name")  # the usual one, and that is said
        self.assertEqual(self.pulled(repo), ["M-Q4_K_M.gguf"])
        self.assertIn("this is M-Q4_K_M.gguf", self.err)
        for text, name in (('has no model "Q4_0"; it has: M-Q4_K_M.gguf, M-Q4_K_S.gguf, M-Q8_0.gguf', "org/name:Q4_0"),
                           ('has no model "Q2_K"', "org/name:Q2_K"), ('has no model "Q3_K"', "org/name:Q3_K"),
                           ('2 models for "Q4_K"', "org/name:Q4_K"), ("no such branch, tag or commit", "org/name@v2"),
                           ("has no file nope.gguf; its GGUF models: M-Q4_K_M.gguf", "org/name/nope.gguf"),
                           ("is no model", "org/name/config.json")):
            self.refuses(text, name)
        del repo.files["big/M-BF16-00002-of-00002.gguf"]
        self.refuses("part 2 of 2 is not in the repository", "org/name:BF16")
        del repo.files["M-Q4_K_M.gguf"]
        self.refuses("holds 4 models; add :TAG or /FILE to its name: M-Q4_K_S.gguf", "org/name")
        self.hub.add("org/none", {"pytorch_model.bin": b"", "config.json": b"{}"})
        self.refuses("must be converted to safetensors", "org/none")
        self.refuses("holds no GGUF file", "org/none:Q8_0")

    def test_revisions(self):
        repo = self.gguf(branches=["main", "v1.0", "refs/pr/3"])
        self.pulls("org/name@v1.0")
        self.pulls("org/name@refs/pr/3")
        self.pulls("org/name@" + repo.commit)
        for name in ("v1.0", "refs/pr/3"):
            with open(self.repo("refs", name)) as f:
                self.assertEqual(f.read(), repo.commit)
        self.assertFalse(os.path.exists(self.repo("refs", repo.commit)))
        self.assertFalse(os.path.exists(self.repo("refs", "main")))
        self.assertEqual(self.hub.count("storage"), 1)
        self.assertEqual(self.run_tempo("inspect", "org/name@refs/pr/3"), 1)
        self.assertIn("m.gguf", self.err)

    def test_a_new_commit_replaces(self):
        self.gguf()
        self.pulls("org/name")
        new = self.gguf(b"new", commit="f" * 40)
        self.assertEqual(self.pulls("org/name"), self.snapshot(new, "m.gguf"))
        with open(self.repo("refs", "main")) as f:
            self.assertEqual(f.read(), new.commit)

    def test_reference_is_last(self):
        """What refs/main names is complete: a pull that fails leaves the older one to be used."""
        old = self.gguf()
        self.pulls("org/name")
        self.gguf(b"new", commit="f" * 40)
        self.hub.fault("hub", status(403))
        self.refuses("refuses access (403)", "org/name")
        with open(self.repo("refs", "main")) as f:
            self.assertEqual(f.read(), old.commit)

    def test_dry_run(self):
        repo = self.hub.add("org/name", {"m.gguf": BIG, "README.md": b""}, lfs=["m.gguf"])
        self.assertEqual(self.run_tempo("pull", "org/name", "--dry-run"), 0, self.err)
        self.assertIn("300 kB  m.gguf\n", self.out)
        self.assertIn("org/name at %s; to be fetched: 300 kB" % repo.commit, self.out)
        self.assertFalse(os.path.exists(self.cache))
        self.assertEqual(self.run_tempo("pull", "org/name", "--dry-run", "--json"), 0, self.err)
        d = json.loads(self.out)
        self.assertEqual(d["files"], [{"name": "m.gguf", "size": 300000, "there": 0, "sha256": repo.hash("m.gguf"), "complete": False}])
        self.assertEqual((d["repository"], d["revision"], d["commit"], d["size"], d["there"], d["path"]),
                         ("org/name", "main", repo.commit, 300000, 0, self.snapshot(repo, "m.gguf")))
        self.assertEqual(self.run_tempo("pull", "org/name", "--json"), 0, self.err)
        self.assertTrue(json.loads(self.out)["files"][0]["complete"])
        self.assertEqual(self.run_tempo("pull", "org/name", "--dry-run"), 0, self.err)
        self.assertIn("m.gguf  (there)", self.out)
        files = {"config.json": b"{}", "a.safetensors": b"1", "model.safetensors.index.json": b'{"weight_map": {"t": "a.safetensors"}}'}
        self.hub.add("org/shards", files)
        self.assertEqual(self.run_tempo("pull", "org/shards", "--dry-run"), 0, self.err)
        self.assertIn("a.safetensors", self.out)
        self.assertFalse(os.path.exists(self.repo(name="org/shards")))

    def test_without_sizes_and_hashes_in_the_list(self):
        repo = self.hub.add("org/name", {"config.json": b"{}", "model.safetensors": BIG}, lfs=["model.safetensors"])
        repo.listed = [{"rfilename": name} for name in repo.files]
        self.pulls("org/name")
        for name in repo.files:
            self.check_file(repo, name)
        self.assertEqual(self.hub.count("storage", "HEAD"), 0)
        self.hub.add("org/name", {"config.json": b"{}", "model.safetensors": b"x"}, commit="e" * 40).listed = repo.listed
        self.hub.fault("near", instead(b"{}", ETag='"not a hash"'))
        self.refuses("could not be verified", "org/name")

    def test_names(self):
        for name in ("../name", "/org/name", "org/../name", "org/na me", "org/name:", "org/name@", "org//name", "org/name@../x", "a/b/../c",
                     "org\\name", "x" * 200, "org/na--me"):
            self.refuses("is no name of a model", name, code=2)
        self.refuses("needs the name", code=2)
        self.refuses("unexpected argument", "org/name", "org/other", code=2)
        self.assertEqual(self.hub.requests, [])


class TestToken(Pull):
    def authorizations(self, server):
        return [r.headers.get("Authorization") for r in self.hub.requests if r.server == server]

    def test_goes_to_the_hub_alone(self):
        repo = self.gguf(private=True)
        self.refuses("or it is private: set HF_TOKEN", "org/name")
        self.hub.requests.clear()
        self.pulls("org/name", HF_TOKEN=" hf_of_tests\r\n")
        self.check_file(repo, "m.gguf")
        self.assertEqual(self.authorizations("hub"), ["Bearer hf_of_tests"] * 2)
        self.assertEqual(self.authorizations("storage"), [None])

    def test_does_not_come_back(self):
        """hub -> elsewhere -> hub: whoever is elsewhere could send it anywhere on the hub."""
        self.gguf()
        self.hub.fault("storage", redirect(self.hub.url + "/api/resolve-cache/models/org/name/%s/m.gguf" % self.hub.repos["org/name"].commit))
        self.pulls("org/name", HF_TOKEN="hf_of_tests")
        self.assertEqual(self.authorizations("hub"), ["Bearer hf_of_tests"] * 2 + [None])
        self.assertEqual(self.hub.count("hub", part="resolve-cache"), 1)

    def test_stays_on_the_hub(self):
        self.hub.add("org/name", {"m.gguf": BIG})  # a redirect to the hub itself
        self.pulls("org/name", HF_TOKEN="hf_of_tests")
        self.assertEqual(self.authorizations("hub"), ["Bearer hf_of_tests"] * 3)

    def test_another_port_is_another_host(self):
        self.hub.add("org/name", {"m.gguf": BIG})
        other = fake_hub.FakeHub()
        other.repos = self.hub.repos
        self.hub.fault("hub", redirect(other.url + "/api/resolve-cache/models/org/name/%s/m.gguf" % self.hub.repos["org/name"].commit))
        self.pulls("org/name", HF_TOKEN="hf_of_tests")
        self.assertEqual([r.headers.get("Authorization") for r in other.requests], [None])
        other.close()

    def test_where_it_is_read(self):
        self.gguf(private=True)
        os.makedirs(os.path.join(self.dir, "hf"))
        for path, more in ((os.path.join(self.dir, "hf", "token"), {}), (os.path.join(self.dir, "other"), {"HF_TOKEN_PATH": "~/other"})):
            with open(path, "w") as f:
                f.write("hf_of_tests\n")
            self.pulls("org/name", "--dry-run", HF_TOKEN="", **more)
            self.refuses("the hub does not take the token", "org/name", HF_TOKEN="hf_wrong")
            self.refuses("or it is private", "org/name", HF_HUB_DISABLE_IMPLICIT_TOKEN="1", **more)
            os.unlink(path)
        self.pulls("org/name", "--dry-run", HUGGING_FACE_HUB_TOKEN="hf_of_tests")
        self.refuses("HF_TOKEN: holds no token", "org/name", HF_TOKEN="a\nX-Other: b", code=2)
        self.refuses("HF_TOKEN: holds no token", "org/name", HF_TOKEN="x" * 5000, code=2)


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
            self.assertIn("(100 kB of it there)", self.out)
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
