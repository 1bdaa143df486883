#!/usr/bin/env python3
"""tempo pull: which files, under which names, and who gets the token."""
import hashlib
import json
import os
import shutil
import unittest

import fake_hub
from fake_hub import instead, nothing, raw, redirect, status
from pull_case import BIG, Pull, gguf_files, tiny_files


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
                 "part-2.safetensors": b"2", "part-3.safetensors": b"3", "sub/part-4.safetensors": b"4", "chat_template.jinja": b"{{ 1 }}"}
        repo = self.hub.add("org/name", files)
        self.pulls("org/name")
        self.assertEqual(self.pulled(repo), sorted(set(files) - {"part-3.safetensors", "sub/part-4.safetensors"}))
        self.pulls("org/name")  # the index is read from the cache
        self.assertEqual(self.hub.count(method="GET", part="index.json"), 4)  # twice, each a redirect of the hub and the file
        for bad in (b"[]", b'{"weight_map": {}}', b'{"weight_map": {"a": "../part-1.safetensors"}}', b'{"weight_map": {"a": 1}}',
                    b'{"weight_map": {"a": "sub/part-4.safetensors"}}',
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
        odd = self.hub.add("org/odd", {"m-00001-of-00000.gguf": b"1"})
        self.assertEqual(self.pulls("org/odd"), self.snapshot(odd, "m-00001-of-00000.gguf"))
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
        self.assertIn("300.0 kB  m.gguf\n", self.out)
        self.assertIn("org/name at %s; to be fetched: 300.0 kB" % repo.commit, self.out)
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
        self.hub.fault("hub", raw(b"HTTP/1.1 302 Found\r\nX-Some"), nothing)
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
        self.hub.fault("storage", redirect("/file/" + repo.hash("m.gguf")))  # to itself: that is still not the hub
        self.pulls("org/name", HF_TOKEN=" hf_of_tests\r\n")
        self.check_file(repo, "m.gguf")
        self.assertEqual(self.authorizations("hub"), ["Bearer hf_of_tests"] * 2)
        self.assertEqual(self.authorizations("storage"), [None, None])

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


if __name__ == "__main__":
    unittest.main(verbosity=0)
