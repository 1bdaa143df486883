#!/usr/bin/env python3
"""tempo pull beside the hub's own client (PyPI huggingface_hub), both against the hub of tests/pull/fake_hub.py: what one has fetched
the other finds and does not fetch again, what they leave on the disk is alike, and each waits for the other's locks."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pull"))
import fake_hub

try:
    import huggingface_hub
except ImportError:
    print("skipped: huggingface_hub is not there")
    sys.exit(77)

tempo = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ["TEMPO"])
CLIENT = """
import json, sys
import huggingface_hub as hub
what, arguments = json.loads(sys.argv[1])
found = getattr(hub, what)(**arguments)
if what == "scan_cache_dir":
    found = {"warnings": [str(w) for w in found.warnings], "repos": sorted((r.repo_id, r.size_on_disk, sorted(r.refs)) for r in found.repos)}
print(json.dumps(found, default=vars))
"""
failures = checks = 0


def check(good, *what):
    global failures, checks
    checks += 1
    if not good:
        failures += 1
        print("FAILED:", *what)


class Place:
    """A hub and an empty cache."""

    def __init__(self):
        self.hub = fake_hub.FakeHub()
        self.dir = tempfile.mkdtemp(prefix="tempo-field-pull.")
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.dir, "HF_HOME": self.dir + "/hf", "HF_ENDPOINT": self.hub.url,
                            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1",
                            "TEMPO_PULL_WAIT_MS": "1"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hub.close()
        shutil.rmtree(self.dir)

    def start(self, command):
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def client(self, what, **arguments):
        return self.start([sys.executable, "-c", CLIENT, json.dumps([what, arguments])])

    def pull(self, *words):
        return self.start([tempo, "pull", *words])

    def end(self, process):
        """What it printed, and how many requests brought bytes of files meanwhile."""
        before = len(self.hub.requests)
        out, err = process.communicate(timeout=120)
        check(process.returncode == 0, process.args[-1], err)
        return out.strip(), sum(r.method == "GET" and "/api/models/" not in r.path or "resolve-cache" in r.path and r.method == "GET"
                                for r in self.hub.requests[before:])

    def files(self):
        """What is on the disk of repositories, but for what the client alone keeps."""
        top = pathlib.Path(self.dir, "hf", "hub")
        found = {}
        for path in top.rglob("*"):
            name = str(path.relative_to(top))
            if path.is_dir() and not path.is_symlink() or re.search(r"(^|/)(\.no_exist|trees|CACHEDIR\.TAG)(/|$)", name):
                continue
            found[name] = ("-> " + os.readlink(path)) if path.is_symlink() else path.read_bytes()
        return found


def random_repo(rng, hub, name):
    files = {"config.json": rng.randbytes(rng.randint(1, 500)), "tokenizer.json": rng.randbytes(rng.randint(0, 5000))}
    shards = ["model-%05d-of-00003.safetensors" % i for i in (1, 2, 3)]
    if rng.random() < 0.5:
        files["model.safetensors"] = rng.randbytes(rng.randint(0, 100_000))
    else:
        files.update({shard: rng.randbytes(rng.randint(1, 50_000)) for shard in shards})
        files["model.safetensors.index.json"] = json.dumps({"weight_map": {str(i): s for i, s in enumerate(shards)}}).encode()
    for other in ("generation_config.json", "tokenizer_config.json", "chat_template.jinja"):
        if rng.random() < 0.5:
            files[other] = rng.randbytes(100)
    lfs = [f for f in files if f.endswith(".safetensors") or rng.random() < 0.2]
    return hub.add(name, files, lfs=lfs, branches=["main", "v1.0", "refs/pr/1"])


def both_ways(rng):
    """One fetches, the other finds; what is on the disk is the same whoever came first."""
    name, revision = rng.choice(["org/name", "org/a-b_c.d"]), rng.choice(["main", "v1.0", "refs/pr/1"])
    state = rng.getstate()
    with Place() as ours, Place() as theirs:
        for place in (ours, theirs):
            rng.setstate(state)
            repo = random_repo(rng, place.hub, name)
        ours.end(ours.pull(name + "@" + revision))
        theirs.end(theirs.client("snapshot_download", repo_id=name, revision=revision))
        a, b = ours.files(), theirs.files()
        check(a == b, "files of", name, revision, sorted(set(a) ^ set(b)), [k for k in a if k in b and a[k] != b[k]])
        out, fetched = ours.end(ours.client("snapshot_download", repo_id=name, revision=revision))
        check(fetched == 0 and json.loads(out).endswith("snapshots/" + repo.commit), "the client fetched", fetched, out)
        before = len(ours.hub.requests)
        out, fetched = ours.end(ours.client("snapshot_download", repo_id=name, revision=revision, local_files_only=True))
        check(len(ours.hub.requests) == before, "the client asked although it should not")
        for file in repo.files:
            out, fetched = ours.end(ours.client("hf_hub_download", repo_id=name, revision=revision, filename=file))
            check(fetched == 0 and open(json.loads(out), "rb").read() == repo.files[file], "the client fetched", file)
        out, fetched = theirs.end(theirs.pull(name + "@" + revision))
        check(fetched == 0 and os.path.isdir(out), "tempo fetched", fetched, out)
        check(theirs.files() == b, "tempo changed what was there")
        out, _ = ours.end(ours.client("scan_cache_dir"))
        size = sum(len(data) for data in {repo.hash(f): repo.files[f] for f in repo.files}.values())
        check(json.loads(out) == {"warnings": [], "repos": [[name, size, [revision]]]}, "the cache is", out, size)


def half(free):
    def fault(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        free.wait(60)
        handler.wfile.write(body[len(body) // 2 :])
        return True

    return fault


def one_waits_for_the_other(tempo_first):
    with Place() as place:
        repo = place.hub.add("org/name", {"sub/m.gguf": random.Random(3).randbytes(100_000)}, lfs=["sub/m.gguf"])
        free, begun = threading.Event(), threading.Event()
        place.hub.fault("storage", lambda handler, body: begun.set() or half(free)(handler, body))
        pair = [lambda: place.pull("org/name"), lambda: place.client("hf_hub_download", repo_id="org/name", filename="sub/m.gguf")]
        first = pair[not tempo_first]()
        check(begun.wait(60), "the first never came to fetch")
        second = pair[tempo_first]()
        if tempo_first:
            while place.hub.count(method="HEAD") == 0 and second.poll() is None:
                threading.Event().wait(0.01)  # until the client knows what to fetch; then it waits for the lock, or would fetch
        else:
            line = second.stderr.readline()
            check("another process is fetching it" in line, "tempo did not wait:", line)
        free.set()
        a, b = place.end(first)[0], place.end(second)[0]
        check(place.hub.count("storage", "GET") == 1, "it was fetched", place.hub.count("storage", "GET"), "times")
        check(a.strip('"') == b.strip('"') and open(a.strip('"'), "rb").read() == repo.files["sub/m.gguf"], a, b)


cases = max(2, int(os.environ.get("TEMPO_FIELD_CASES", "500")) // 100)
rng = random.Random(5)
for _ in range(cases):
    both_ways(rng)
for tempo_first in (True, False):
    one_waits_for_the_other(tempo_first)
print(f"huggingface_hub {huggingface_hub.__version__}: {cases} repositories both ways, {checks} checks, {failures} failures")
sys.exit(failures > 0)
