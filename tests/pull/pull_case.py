"""What the tests of tempo pull share: a hub, an empty cache, running the program, looking at what is there then.  A test is
test_NAME.py PROGRAM [TEST...], run from the source root."""
import glob
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

import fake_hub

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
