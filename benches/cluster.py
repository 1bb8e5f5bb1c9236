#!/usr/bin/env python3
"""How the controller does with many items in a cluster: a real API server and etcd on this machine.

    benches/cluster.py [ITEMS]            default: 10000

Builds `bowline` in the release profile, gets the API server as the tests do, and applies ITEMS ConfigurationItems of which
one in fifty is not as declared. Prints the time from the start of `bowline run --kubernetes` to the last first status, its
peak memory, the time from one changed item to its new status, and that an idle controller writes nothing.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
GROUP = "/apis/bowline.dev/v1alpha1/namespaces/scale"
IDLE = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cluster:
    """An API server with one administrator, in a folder of its own."""

    def __init__(self, folder):
        binaries = pathlib.Path(subprocess.check_output([HERE / "tests/peers/get/kube"], text=True).strip())
        self.kubectl, self.folder, self.token = binaries / "kubectl", folder, secrets.token_hex(16)
        client, peer, self.port = free_port(), free_port(), free_port()
        subprocess.check_call(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], stderr=subprocess.DEVNULL)
        (folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        (folder / "audit.yaml").write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata, users: [admin]}]\n")
        log = open(folder / "servers.log", "wb")
        etcd = f"http://127.0.0.1:{client}"
        self.processes = [
            subprocess.Popen([binaries / "etcd", "--data-dir", folder / "etcd", "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
                              "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync"], stdout=log, stderr=log),
            subprocess.Popen([binaries / "kube-apiserver", f"--etcd-servers={etcd}", f"--cert-dir={folder}/certificates", f"--secure-port={self.port}",
                              "--bind-address=127.0.0.1", "--service-account-issuer=https://kubernetes.default.svc",
                              f"--service-account-key-file={folder}/sa.key", f"--service-account-signing-key-file={folder}/sa.key",
                              f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
                              "--disable-admission-plugins=ServiceAccount", f"--audit-policy-file={folder}/audit.yaml",
                              f"--audit-log-path={folder}/audit.log"], stdout=log, stderr=log),
        ]
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "it", "user": {"token": self.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]}))
        self.local = threading.local()
        for _ in range(600):
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise SystemExit((folder / "servers.log").read_text()[-2000:])

    def connection(self):
        if not hasattr(self.local, "connection"):
            context = ssl._create_unverified_context()
            self.local.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        return self.local.connection

    def ask(self, method, path, body=None, kind="application/json"):
        connection = self.connection()
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except Exception:
            connection.close()
            del self.local.connection
            raise

    def json(self, method, path, body=None, kind="application/json"):
        status, answer = self.ask(method, path, body, kind)
        if status >= 300:
            raise SystemExit(f"{method} {path}: {status} {answer[:500]}")
        return json.loads(answer)

    def writes(self):
        lines = (self.folder / "audit.log").read_text().splitlines()
        return sum(json.loads(line)["verb"] in ("create", "update", "patch", "delete") for line in lines)

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


def document(kind, name, spec):
    return {"apiVersion": "bowline.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def item(number):
    spec = {"class": "virtual-machine", "owner": f"team-{number % 40}", "identifiers": {"vsphere/instance-uuid": f"scale-{number:08d}"},
            "attributes": {"cpus": 2 + number % 4, "memory": f"{4 + number % 8}Gi", "os": {"name": "debian", "version": "12"}}}
    return document("ConfigurationItem", f"vm-{number:06d}", spec)


def observed(number):
    wrong = 1 if number % 50 == 0 else 0
    return json.dumps({"uuid": f"scale-{number:08d}", "name": f"vm-{number:06d}", "cpus": 2 + number % 4 + wrong, "memory": (4 + number % 8) * 1024})


def prepare(cluster, files, count):
    subprocess.check_call([cluster.kubectl, "--kubeconfig", cluster.kubeconfig, "apply", "--server-side", "-f", HERE / "crds"], stdout=subprocess.DEVNULL)
    subprocess.check_call([cluster.kubectl, "--kubeconfig", cluster.kubeconfig, "wait", "--for=condition=Established", "--timeout=60s", "-f", HERE / "crds"],
                          stdout=subprocess.DEVNULL)
    cluster.json("POST", "/api/v1/namespaces", {"metadata": {"name": "scale"}})
    (files / "scale").mkdir(parents=True)
    (files / "scale/observed.ndjson").write_text("".join(observed(number) + "\n" for number in range(count)))
    source = {"file": {"path": "observed.ndjson"}, "scope": {"classes": ["virtual-machine"]},
              "map": {"class": '"virtual-machine"', "key": ".uuid", "name": ".name", "identifiers": {"vsphere/instance-uuid": ".uuid"},
                      "attributes": {"cpus": ".cpus", "memory": '"\\(.memory)Mi"'}}}
    cluster.json("POST", f"{GROUP}/estates", document("Estate", "scale", {"interval": "1h", "onDrift": {"default": "Report"}}))
    cluster.json("POST", f"{GROUP}/discoverysources", document("DiscoverySource", "inventory", source))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: cluster.json("POST", f"{GROUP}/configurationitems", item(number)), range(count)))


def without_status(cluster):
    missing, following = 0, ""
    while True:
        page = cluster.json("GET", f"{GROUP}/configurationitems?limit=2000&continue={following}")
        missing += sum(not one.get("status", {}).get("conditions") for one in page["items"])
        following = page["metadata"].get("continue", "")
        if not following:
            return missing


def told(cluster):
    status = cluster.json("GET", f"{GROUP}/estates/scale").get("status", {})
    return "declared" in status and any(one["type"] == "Reconciling" and one["status"] == "False" for one in status["conditions"])


def peak(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no peak memory")


def until(what, patience=600, pause=0.05):
    begun = time.monotonic()
    while not what():
        if time.monotonic() - begun > patience:
            raise SystemExit("it took too long")
        time.sleep(pause)
    return time.monotonic() - begun


def measure(cluster, program, folder, count):
    log = open(folder / "bowline.log", "wb")
    begun = time.monotonic()
    process = subprocess.Popen([program, "run", "--kubernetes", "--kubeconfig", cluster.kubeconfig, "--files", folder / "files", "--state", folder / "state"],
                               stdout=log, stderr=log)
    try:
        # The estate's own status is written last; asking for all items again and again would be most of what is measured.
        until(lambda: process.poll() is not None or told(cluster), pause=0.25)
        if process.poll() is not None:
            raise SystemExit((folder / "bowline.log").read_text())
        took = time.monotonic() - begun
        if without_status(cluster):
            raise SystemExit("the estate's status came before those of its items")
        print(f"{count} items, from start to the last first status: {took:.1f} s; peak memory {peak(process):.0f} MB")
        time.sleep(10)
        for number in (1, count // 2, count - 1):
            path = f"{GROUP}/configurationitems/vm-{number:06d}"
            changed = cluster.json("PATCH", path, {"spec": {"attributes": {"cpus": 64}}}, "application/merge-patch+json")["metadata"]["generation"]
            took = until(lambda: cluster.json("GET", path)["status"].get("observedGeneration") == changed)
            print(f"one changed item, to its new status: {took:.2f} s")
        time.sleep(10)
        before = cluster.writes()
        time.sleep(IDLE)
        print(f"writes in {IDLE} s of which nothing is to be told: {cluster.writes() - before}; peak memory {peak(process):.0f} MB")
    finally:
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        process.wait(15)
        print(f"stopped {time.monotonic() - asked:.1f} s after SIGTERM")


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    subprocess.check_call(["cargo", "build", "--release", "--quiet", "--bin", "bowline"], cwd=HERE)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bowline-cluster-"))
    cluster = None
    try:
        cluster = Cluster(folder)
        prepare(cluster, folder / "files", count)
        measure(cluster, target / "release/bowline", folder, count)
    finally:
        if cluster:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
