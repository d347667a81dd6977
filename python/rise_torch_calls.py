"""How a call reaches all ranks of rise_torch.py, one after the other, and how their answers come back over HTTP."""

import base64, contextlib, hmac, http.server, json, os, queue, select, socket, sys, threading, traceback
from datetime import timedelta

import torch
import torch.distributed as dist

PROTOCOL = 1
MOST_BYTES = 2**30


def packed(row) -> str:
    return base64.b64encode(row.detach().double().cpu().numpy().astype("<f8").tobytes()).decode()


def unpacked(data: str):
    return torch.frombuffer(bytearray(base64.b64decode(data)), dtype=torch.float64)


class Refusal(Exception):
    """A call that cannot be answered: the kind of the caller's error, and a message."""


class Team:
    """All ranks. Control goes over a gloo group of its own, which may be idle for days."""

    def __init__(self, device: str):
        alone = (dist.HashStore(), 0, 1)
        self.store, self.rank, self.size = next(dist.rendezvous("env://")) if "WORLD_SIZE" in os.environ else alone
        where = {"store": dist.PrefixStore("devices", self.store), "rank": self.rank, "world_size": self.size}
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", **where)
        self.control = dist.new_group(backend="gloo", timeout=timedelta(days=30))
        self.id, self.call = 0, "start"

    def share(self, value=None):
        self.store.set(f"at/{self.rank}", f"{value['call']}, handing it to the ranks" if value else "no call")
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    def gather(self, value) -> list:
        values = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def note(self, where: str) -> None:
        """Keeps where this rank is, for a caller who has waited too long."""
        self.store.set(f"at/{self.rank}", f"{self.call}, {where}")

    def check_aborted(self, agreeing=False) -> None:
        aborted = self.store.check([f"abort/{self.id}"])
        if any(self.gather(aborted)) if agreeing else aborted:
            raise Refusal("Aborted", "the caller ended the call")


def answer(engine, request: dict):
    """Runs a call on this rank; rank 0 gets the answer of all, or their errors."""
    team, call, result, problem = engine.team, request["call"], None, None
    # Others would wait forever for a rank that fails between collectives of the devices.
    collective = ("optim_step", "interpolate", "save", *(("backward", "logprobs", "generate") * engine.sharded))
    must_end = team.size > 1 and call in collective
    team.id, team.call, work = request["id"], call, getattr(engine, call)(request["args"])
    for phase in ("preparing", "computing"):
        team.note(phase)
        try:
            next(work)
        except StopIteration as end:
            result = end.value
        except Exception as error:
            if phase == "computing" and must_end and not isinstance(error, Refusal):
                raise
            problem = described(team.rank, error)
        outcomes = team.gather((problem, result))
        if problems := [each for each, _ in outcomes if each]:
            if call == "backward":  # half a batch's gradient must not become a step
                next(engine.forget())
            if engine.device.type == "cuda":
                torch.cuda.empty_cache()
            return 500, {"error": problems}
    if "rows" in result:
        rows = {index: row for _, each in outcomes for index, row in each["rows"].items()}
        result = {"rows": [rows[index] for index in sorted(rows)]}
    return 200, result


def described(rank: int, error: Exception) -> dict:
    if isinstance(error, Refusal):
        return {"rank": rank, "type": error.args[0], "message": error.args[1], "trace": ""}
    is_full = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "rise_torch" in frame.filename]
    trace = "".join(traceback.format_list([*own[-2:], frames[-1]]))
    kind = "OutOfMemory" if is_full else type(error).__name__
    return {"rank": rank, "type": kind, "message": str(error)[:2000], "trace": trace}


class Handler(http.server.BaseHTTPRequestHandler):
    """A request a connection, as HTTP/1.0 has it. Calls wait in line, except `abort` and `progress`."""

    timeout = 60

    def do_POST(self):
        status, value = self.outcome()
        with contextlib.suppress(OSError):  # the caller may have left
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

    def outcome(self):
        team, token = self.server.team, f"Bearer {os.environ['RISE_TORCH_TOKEN']}"
        if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), token.encode()):
            return 401, {"error": "expected the token of RISE_TORCH_TOKEN, got another"}
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return 413, {"error": f"expected at most {MOST_BYTES} bytes, got {length or 'no length'}"}
        try:
            request = json.loads(self.rfile.read(int(length)))
            call, args, _ = request["call"], dict(request["args"]), int(request["id"])
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"expected JSON with id, call and args, got {error!r}"}
        if call == "abort":
            return 200, {"aborted": team.store.set(f"abort/{args['id']}", "1")}
        if call == "progress":
            return 200, {rank: team.store.get(f"at/{rank}").decode() for rank in range(team.size)}
        if call not in self.server.calls:
            return 404, {"error": f"expected one of {', '.join(self.server.calls)}, got {call!r}"}
        outcomes = queue.Queue()
        self.server.jobs.put((request, outcomes))
        return outcomes.get()

    def log_message(self, *_):
        pass


def listen(host: str, port: int):
    """A server that does not answer yet."""
    try:
        return http.server.ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        sys.exit(f"rise_torch: expected a free port, got {port}: {error.strerror}; choose another --port")


def serve(server, team: Team, calls: tuple, args) -> queue.Queue:
    """Answers from now on, and says where in the ready file, which appears whole; gives the calls, with queues for
    their answers."""
    server.team, server.calls, server.jobs = team, calls, queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = socket.gethostname() if args.host == "0.0.0.0" else args.host
    with open(f"{args.ready}.partial", "w") as file:
        json.dump({"protocol": PROTOCOL, "url": f"http://{name}:{server.server_port}"}, file)
    os.replace(file.name, args.ready)
    return server.jobs


def end_with_parent(owned: bool) -> None:
    """Ends this process with the one that started it; an owner holds the other end of stdin."""
    parent = os.getppid()
    while os.getppid() == parent:
        if select.select([0] if owned else [], [], [], 1)[0] and os.read(0, 1) == b"":
            break
    os._exit(1)
