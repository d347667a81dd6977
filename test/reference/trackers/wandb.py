"""Has wandb's own client log a run to a server of this script, and writes down what the server received.

    pip install wandb==0.31.0
    python wandb.py OUT.json        # a minute, for the client says every 30 seconds that it lives
"""
import gzip
import json
import os
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# This file has the package's name, and its folder comes first.
sys.path.pop(0)
received = []
bucket = {
    "id": "1", "name": "r1", "displayName": "cot", "description": None, "config": "{}", "sweepName": None,
    "historyLineCount": 0, "project": {"id": "2", "name": "mugs", "entity": {"id": "3", "name": "me"}},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
        headers = {name: self.headers[name] for name in ["authorization", "content-type"]}
        received.append({"path": self.path, "headers": headers, "body": body})
        data = {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in body.get("query", ""):
            files = [{"name": name, "uploadUrl": f"{url}/{name}"} for name in body["variables"]["files"]]
            data = {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        self.answer({"data": data} if self.path == "/graphql" else {})

    def do_PUT(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer({})

    def answer(self, reply):
        reply = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
url = f"http://127.0.0.1:{server.server_port}"
# The client leaves without a word.
server.handle_error = lambda *_: None
threading.Thread(target=server.serve_forever, daemon=True).start()

with tempfile.TemporaryDirectory() as scratch:
    places = {name: scratch for name in ["WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"]}
    quiet = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "WANDB_DISABLE_GIT": "true"}
    os.environ.update(places | quiet, WANDB_BASE_URL=url, WANDB_API_KEY="k" * 40)
    import wandb

    settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", save_code=False)
    run = wandb.init(project="mugs", name="cot", config={"lr": 1e-5}, settings=settings)
    run.log({"reward": 0.1, "rise/leak_rate": 0}, step=1)
    run.log({"reward": 0.2, "loss": float("nan"), "kl": float("-inf")}, step=2)
    time.sleep(50)
    run.log({"reward": 3}, step=5)
    run.finish(exit_code=1)

# The client's thread of uploads may answer in any order, and says nothing about metrics.
kept = [one for one in received if "createRunFiles" not in one["body"].get("query", "")]
for variables in [one["body"]["variables"] for one in kept if "variables" in one["body"]]:
    variables.update(host=None, program=None)
    config = json.loads(variables["config"])
    variables["config"] = json.dumps({name: value for name, value in config.items() if name != "_wandb"})
with open(sys.argv[1], "w") as out:
    json.dump({"wandb": wandb.__version__, "requests": kept}, out, indent=1)
    out.write("\n")
