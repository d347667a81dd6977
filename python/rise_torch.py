"""Trains and samples a Hugging Face vision-language model: answers the calls of rise-ts' `torchTrainer`.

    torchrun --nproc-per-node 8 rise_torch.py --model DIR --shard fsdp --ready FILE

Each device has a process. Rank 0 answers POST {"id", "call", "args"} with "Authorization: Bearer TOKEN", where TOKEN
is the variable RISE_TORCH_TOKEN; FILE tells its address once all ranks are ready. Rows of numbers are little-endian
float64 in base64. The caller tokenizes, spreads rows over ranks and names tensors: this program knows no
architecture.
"""

import argparse, base64, contextlib, functools, hashlib, io, json, os, socket, sys, threading, time, warnings

import peft, PIL.Image, PIL.ImageOps, safetensors.torch, torch, transformers
import torch.distributed as dist
import torch.nn.functional as F
from torch.distributed.elastic.multiprocessing.errors import record
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils.checkpoint import checkpoint

from rise_torch_calls import PROTOCOL, Refusal, Team, answer, end_with_parent, listen, packed, serve, unpacked

CALLS = ("info", "logprobs", "backward", "forget", "generate", "optim_step", "interpolate", "save", "load", "stop")


class Draw(transformers.LogitsProcessor):
    """Chooses each row's next token with the row's own random numbers, and keeps its log-probs."""

    def __init__(self, engine, rows: list, args: dict):
        self.team, self.temperature, self.columns = engine.team, args["temperature"], []
        self.generators = [torch.Generator(engine.device).manual_seed(row["seed"]) for row in rows]
        self.never = torch.tensor(args["never"], device=engine.device)
        penalty, top_k, top_p = args["repetitionPenalty"], args["topK"], args["topP"]
        self.penalties = [transformers.RepetitionPenaltyLogitsProcessor(penalty)] if penalty != 1 else []
        self.warpers = [transformers.TopKLogitsWarper(top_k)] if top_k else []
        self.warpers += [transformers.TopPLogitsWarper(top_p)] if top_p < 1 else []

    def __call__(self, ids, scores):
        if len(self.columns) % 16 == 0:
            self.team.check_aborted()
        logits, temperature = scores.float(), self.temperature or 1
        raw, tempered = F.log_softmax(logits, -1), F.log_softmax(logits / temperature, -1)
        for penalise in self.penalties:
            logits = penalise(ids, logits)
        chosen = F.log_softmax(logits.index_fill(1, self.never, -torch.inf) / temperature, -1)
        token = chosen.argmax(-1, keepdim=True)
        if self.temperature > 0:
            for warp in self.warpers:
                chosen = F.log_softmax(warp(ids, chosen), -1)
            noise = torch.empty_like(chosen)
            for row, generator in zip(noise, self.generators):
                row.exponential_(generator=generator)
            token = (chosen - noise.log()).argmax(-1, keepdim=True)  # the Gumbel-max trick
        self.columns.append([token, *(logs.gather(1, token) for logs in (raw, chosen, tempered))])
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0)


class Engine:
    """The policy, its optimizer, and the calls. A call is a generator: all ranks must reach its `yield` before any goes
    on, so what may fail on one rank alone stands before it."""

    def __init__(self, team: Team, options: argparse.Namespace):
        self.team, self.options, self.lora, self.reference, self.stray = team, options, None, None, None
        cuda = options.device == "cuda"
        self.device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
        self.sharded, self.half = options.shard == "fsdp" and team.size > 1, options.precision == "bfloat16"
        self.processor = transformers.AutoImageProcessor.from_pretrained(options.model, backend="pil")
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
        self.model = self.open()
        if options.lora:
            self.adapted = self.adapt(**options.lora)
        if options.gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.spread(self.model)
        named = self.model.named_parameters()
        self.parameters = {name.replace(".default", ""): each for name, each in named if each.requires_grad}
        self.optimizer = torch.optim.AdamW(self.parameters.values())
        for each in self.parameters.values():
            moments = {"exp_avg": torch.zeros_like(each), "exp_avg_sq": torch.zeros_like(each)}
            self.optimizer.state[each] = {"step": torch.tensor(0.0), **moments}
        self.steps, self.due = 0, False

    def open(self):
        # What is trained is float32; what is frozen may be rounded, unless FSDP rounds what it gathers.
        dtype = torch.bfloat16 if self.half and self.options.lora and not self.sharded else torch.float32
        options = {"dtype": dtype, "attn_implementation": self.options.attention}
        model = transformers.AutoModelForImageTextToText.from_pretrained(self.options.model, **options)
        model.generation_config = transformers.GenerationConfig()
        for config in (model.config, model.config.get_text_config()):
            config.attention_dropout = 0.0
        model.get_input_embeddings().register_forward_hook(self.restore)
        return model

    def restore(self, module, _, output):
        """An image token that the policy wrote is a word, not the place of an image."""
        if self.stray is None:
            return output
        token = torch.tensor(self.model.config.image_token_id, device=self.device)
        return torch.where(self.stray[..., None], F.embedding(token, module.weight).to(output.dtype), output)

    def adapt(self, rank, alpha=None, rsLora=False, targetModules="language"):
        alpha = 2 * rank if alpha is None else alpha
        self.lora = {"rank": rank, "alpha": alpha, "rsLora": rsLora, "targetModules": targetModules}
        if targetModules == "language":
            layers = [name for name, each in self.model.named_modules() if isinstance(each, torch.nn.Linear)]
            targetModules = [name for name in layers if "visual." not in name and "lm_head" not in name]
        torch.manual_seed(self.options.seed)
        scale = {"r": rank, "lora_alpha": alpha, "use_rslora": rsLora, "lora_dropout": 0.0}
        return peft.get_peft_model(self.model, peft.LoraConfig(target_modules=targetModules, **scale))

    def spread(self, model) -> None:
        """Moves a model to this rank's device, or its part of it."""
        if self.sharded:
            half = {"param_dtype": torch.bfloat16, "reduce_dtype": torch.float32} if self.half else {}
            mesh = dist.device_mesh.init_device_mesh(self.device.type, (self.team.size,))
            # Only the root rounds its inputs: the vision tower's rotations stay float32, as they are without FSDP.
            policies = [MixedPrecisionPolicy(**half, cast_forward_inputs=is_root) for is_root in (False, True)]
            blocks = {name for each in model.modules() for name in getattr(each, "_no_split_modules", None) or ()}
            for each in [each for each in model.modules() if type(each).__name__ in blocks]:
                fully_shard(each, mesh=mesh, mp_policy=policies[0])
            # The root lets go of its weights too: else what `load` writes is not seen after a pass without gradients.
            fully_shard(model, mesh=mesh, mp_policy=policies[1], reshard_after_forward=True)
        model.to(self.device)
        if self.sharded:  # the first pass must be the whole model's
            with torch.no_grad():
                model(input_ids=torch.zeros(1, 2, dtype=torch.long, device=self.device), use_cache=False)

    def info(self, args):
        with open(os.path.join(self.options.model, "config.json"), "rb") as file:
            config = hashlib.sha256(file.read()).hexdigest()
        yield
        parameters = self.parameters.items()
        return {
            "protocol": PROTOCOL,
            "versions": {each.__name__: each.__version__ for each in (torch, transformers, peft)},
            "config": config,
            "device": self.options.device,
            "shard": self.options.shard,
            "lora": self.lora,
            "processes": self.team.gather([socket.gethostname(), os.getpid()]),
            "trainable": {name: list(each.shape) for name, each in parameters},
            "parameters": sum(each.numel() for _, each in parameters),
            "local": self.team.gather(sum(part(each).numel() for _, each in parameters)),
            "steps": self.steps,
        }

    @functools.lru_cache(maxsize=64)
    def picture(self, path, _, data, size) -> dict:
        """Patches and grid of an image. A group's rows share one, so the last few stay."""
        with PIL.Image.open(path or io.BytesIO(base64.b64decode(data))) as file:
            image = PIL.ImageOps.exif_transpose(file).convert("RGB")
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3)
        pixels = pixels.permute(2, 0, 1)[None].contiguous()
        # torchvision's resizing, without torchvision.
        pixels = F.interpolate(pixels, size=size[::-1], mode="bicubic", antialias=True)[0].numpy()
        options = {"do_resize": False, "input_data_format": "channels_first", "return_tensors": "pt"}
        return self.processor(images=[pixels], **options)

    def pictures(self, images: list) -> dict:
        found = []
        for image in images:
            try:
                path = image.get("path")
                stamp = os.stat(path).st_mtime_ns if path else None
                found.append(self.picture(path, stamp, image.get("base64"), tuple(image["size"])))
            except Exception as error:
                message = f"{image['name']}: expected an image, got {type(error).__name__}: {error}"
                raise Refusal("DataError", message) from error
        return {name: torch.cat([each[name] for each in found]) for name in (found[0] if found else ())}

    def prepare(self, args) -> list:
        """My batches. Rows stand side by side, padded on the left, so that completions end together."""
        batches = []
        for rows in args["batches"][self.team.rank]:
            prompts = [args["prompts"][row["prompt"]] for row in rows]
            tokens = [prompt["tokens"] + row["completion"] for prompt, row in zip(prompts, rows)]
            width = max(map(len, tokens))
            # A row is padded with its own first token, which no repetition penalty counts a second time.
            ids = torch.tensor([each[:1] * (width - len(each)) + each for each in tokens])
            mask = torch.arange(width)[None] >= torch.tensor([[width - len(each)] for each in tokens])
            is_prompt = torch.arange(width)[None] < torch.tensor([[width - len(row["completion"])] for row in rows])
            is_image = mask & (ids == self.model.config.image_token_id)
            stray = is_image & ~is_prompt
            inputs = {"input_ids": ids.masked_fill(stray, 0), "attention_mask": mask.long()}
            if pictures := self.pictures([args["images"][number] for prompt in prompts for number in prompt["images"]]):
                inputs |= pictures | {"mm_token_type_ids": (is_image & is_prompt).int()}
            batches.append((rows, inputs, stray if stray.any() else None))
        return batches

    def rounding(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half and not self.sharded)

    def place(self, inputs: dict, stray) -> dict:
        self.stray = None if stray is None else stray.to(self.device)
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def scores(self, model, rows: list, inputs: dict, temperature: float) -> list:
        """Log-probs and entropies of each row's completion, in float32 for one row at a time."""
        if "pixel_values" not in inputs:
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        longest = max(len(row["completion"]) for row in rows)
        with self.rounding():
            logits = model(**inputs, use_cache=False, logits_to_keep=longest + 1).logits

        def score(logits, ids):
            logs = F.log_softmax(logits.float() / temperature, -1)
            return logs.gather(1, ids[:, None])[:, 0], -(logs.exp() * logs).sum(-1)

        ids = [torch.tensor(row["completion"], dtype=torch.long, device=self.device) for row in rows]
        pieces = [logits[r, longest - len(each) : longest] for r, each in enumerate(ids)]
        return [checkpoint(score, piece, each, use_reentrant=False) for piece, each in zip(pieces, ids)]

    def score(self, args, learns=False):
        """Scores of my rows; learning adds ⟨gradient, scores⟩ to the gradient of the weights."""
        batches, model, weights, found = self.prepare(args), self.model, contextlib.nullcontext(), {}
        yield
        if args["policy"] == "reference":
            model, weights = (model, self.adapted.disable_adapter()) if self.lora else (self.start(), weights)
        # Layers are computed again in training mode only; nothing drops out.
        model.train(learns and self.options.gradient_checkpointing)
        with weights, torch.set_grad_enabled(learns):
            for number, (rows, inputs, stray) in enumerate(batches):
                self.team.note(f"pass {number + 1} of {len(batches)}")
                self.team.check_aborted(agreeing=self.sharded)
                scores = self.scores(model, rows, self.place(inputs, stray), args["temperature"])
                if learns:
                    self.learn(rows, scores)
                for row, (log_probs, entropies) in zip(rows, scores):
                    found[row["index"]] = {"logProbs": packed(log_probs), "entropies": packed(entropies)}
        self.due = self.due or learns
        return {"rows": found}

    logprobs, backward = score, functools.partialmethod(score, learns=True)

    def start(self):
        """A second model, with the weights that the policy began with."""
        if self.reference is None:
            model = self.open().requires_grad_(False)
            self.spread(model)
            self.reference = model
        return self.reference

    def learn(self, rows: list, scores: list) -> None:
        total = 0.0
        for row, both in zip(rows, scores):
            for name, score in zip(("gradient", "entropyGradient"), both):
                weights = unpacked(row[name]) if row[name] else torch.zeros(len(score))
                total = total + (score * weights.to(score)).sum()
        # FSDP averages over the ranks.
        (total * (self.team.size if self.sharded else 1)).backward()

    def forget(self, args=None):
        self.optimizer.zero_grad(set_to_none=True)
        self.due = False
        yield
        return {}

    stop = forget

    def generate(self, args):
        batches, found = self.prepare(args), {}
        yield
        self.model.eval()
        with self.whole(), torch.no_grad(), self.rounding():
            for number, (rows, inputs, stray) in enumerate(batches):
                self.team.note(f"batch {number + 1} of {len(batches)}")
                found |= self.complete(rows, self.place(inputs, stray), args)
        return {"rows": found}

    def complete(self, rows: list, inputs: dict, args) -> dict:
        draw, ends = Draw(self, rows, args), args["ends"]
        options = {"max_new_tokens": args["maxTokens"], "do_sample": False}
        if args["stop"]:  # only to save time: the caller cuts where the text begins
            options["stop_strings"] = args["stop"]
        config = transformers.GenerationConfig(eos_token_id=ends, pad_token_id=ends[0], **options)
        options = {"generation_config": config, "logits_processor": [draw], "tokenizer": self.tokenizer}
        self.model.generate(**inputs, synced_gpus=False, **options)
        tokens, *logs = (torch.cat(column, 1).cpu() for column in zip(*draw.columns))
        found, names = {}, ("logProbs", "samplingLogProbs", "temperedLogProbs")
        for row, ids, *parts in zip(rows, tokens.tolist(), *logs):
            length = min([ids.index(end) + 1 for end in ends if end in ids], default=len(ids))
            found[row["index"]] = {name: packed(each[:length]) for name, each in zip(names, parts)}
            found[row["index"]] |= {"tokens": ids[:length], "ended": ids[length - 1] in ends}
        return found

    @contextlib.contextmanager
    def whole(self):
        """All weights on every rank, since sampling takes another number of steps on each."""
        units = [each for each in self.model.modules() if isinstance(each, FSDPModule)]
        for unit in units:
            unit.set_reshard_after_forward(False)
            unit.unshard()
        try:
            yield
        finally:
            for unit in units:
                unit.set_reshard_after_forward(True)
                unit.reshard()

    def optim_step(self, args):
        if not self.due:
            raise Refusal("TrainingError", "optimStep: expected a gradient, got none; call backward first")
        yield
        self.team.note("sum of the ranks' gradients")
        parameters = self.parameters.values()
        for each in parameters:
            each.grad = torch.zeros_like(each) if each.grad is None else each.grad
        if not self.sharded:
            for work in [dist.all_reduce(each.grad, async_op=True) for each in parameters]:
                work.wait()
        norm = torch.nn.utils.get_total_norm([each.grad for each in parameters])
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        if not norm.isfinite():
            next(self.forget())
            raise Refusal("TrainingError", f"optimStep: expected a finite gradient, got norm {norm}; it is forgotten")
        torch.nn.utils.clip_grads_with_norm_(parameters, args["clipNorm"] or torch.inf, norm)
        self.optimizer.param_groups[0].update(args["adamw"])
        self.optimizer.step()
        self.steps += 1
        next(self.forget())
        return {"gradNorm": norm.item()}

    def interpolate(self, args):
        """Keeps a share of what training has changed, and starts the optimizer anew."""
        yield
        kept, begun = self.reference, {} if self.lora else dict(self.start().named_parameters())
        for name, each in self.parameters.items():
            if not self.lora:
                part(each).lerp_(part(begun[name]), 1 - args["share"])
            elif "lora_B" in name:
                part(each).mul_(args["share"])
            for tensor in self.stored(name)[1:]:
                part(tensor).zero_()
            self.optimizer.state[each]["step"].zero_()
        self.steps, self.reference = 0, kept
        next(self.forget())
        return {}

    def stored(self, name: str) -> list:
        state = self.optimizer.state[self.parameters[name]]
        return [self.parameters[name], state["exp_avg"], state["exp_avg_sq"]]

    def save(self, args):
        """Whole tensors in float32: `places` has a file, a name and a shape for a weight and for its two moments."""
        if not all(part(each).isfinite().all() for each in self.parameters.values()):
            raise Refusal("TrainingError", f"save: expected finite weights; nothing was written to {args['dir']}")
        yield
        files = {}
        for name, places in args["places"].items():
            for tensor, (path, own, shape) in zip(self.stored(name), places):
                whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
                if self.team.rank == 0:
                    files.setdefault(path, {})[own] = whole.detach().cpu().reshape(shape).contiguous()
        # No collective of the devices waits for rank 0, which works alone from here on.
        self.team.note("writing")
        try:
            for path, tensors in files.items():
                safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
        except Exception as error:
            raise Refusal("CheckpointError", f"{path}: expected to write a file, got {error}") from error
        return {"step": self.steps}

    def load(self, args):
        """Reads what `save` wrote. Without places of moments, the optimizer starts anew."""
        found, files = {}, functools.cache(lambda path: safetensors.safe_open(path, "pt"))
        for name, places in args["places"].items():
            for tensor, (path, own, _) in zip(self.stored(name), places):
                whole = files(path).get_tensor(own)
                if not whole.isfinite().all():
                    bad = whole[~whole.isfinite()][0].item()
                    raise Refusal("CheckpointError", f"{path}: expected finite numbers in {own}, got {bad}")
                found.setdefault(name, []).append(cut(whole.view(tensor.shape), tensor))
        yield
        for name, parts in found.items():
            for k, tensor in enumerate(self.stored(name)):
                part(tensor).copy_(parts[k]) if k < len(parts) else part(tensor).zero_()
            self.optimizer.state[self.parameters[name]]["step"].fill_(args["step"])
        self.steps = args["step"]
        next(self.forget())
        return {}


def part(tensor):
    """This rank's part."""
    return (tensor.to_local() if isinstance(tensor, DTensor) else tensor).detach()


def cut(whole, like):
    """This rank's part of a tensor, in float32."""
    if isinstance(like, DTensor):
        whole = part(distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None))
    return whole.float().clone()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rise_torch.py", allow_abbrev=False)
    parser.add_argument("--model", required=True, help="a Hugging Face folder")
    parser.add_argument("--ready", required=True, help="the file that tells the address")
    parser.add_argument("--lora", type=json.loads, help='such as {"rank": 16}; may have alpha, rsLora, targetModules')
    parser.add_argument("--shard", choices=("none", "fsdp"), default="none")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of LoRA's first weights")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 is plain HTTP for the whole network")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--owned", action="store_true", help="end when stdin ends")
    return parser.parse_args()


def set_up(device: str) -> None:
    if not sys.warnoptions:  # what is written last explains an end
        warnings.simplefilter("ignore")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    PIL.Image.MAX_IMAGE_PIXELS = None  # the caller refuses images above its limit
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    if device == "cuda":
        local, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if local >= gpus:
            sys.exit(f"rise_torch: expected a GPU for each process, got {gpus}; start at most {gpus} processes here")
        torch.cuda.set_device(local)


@record
def main() -> None:
    args = arguments()
    if not os.environ.get("RISE_TORCH_TOKEN"):
        sys.exit("rise_torch: expected the caller's token in RISE_TORCH_TOKEN, got none; try openssl rand -hex 32")
    threading.Thread(target=end_with_parent, args=[args.owned], daemon=True).start()
    set_up(args.device)
    team = Team(args.device)
    server = listen(args.host, args.port) if team.rank == 0 else None
    engine = Engine(team, args)
    team.gather(team.note("ready"))
    jobs, request = serve(server, team, CALLS, args) if server else None, {"call": "start"}
    while request["call"] != "stop":
        request, outcomes = jobs.get() if jobs else (None, None)
        request = team.share(request)
        found = answer(engine, request)
        if outcomes:
            outcomes.put(found)
    time.sleep(0.3)  # the answer is under way in another thread
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:
        sys.excepthook(*sys.exc_info())
        if isinstance(error, dist.DistError) or "by peer" in str(error):
            time.sleep(1)  # torchrun names the rank that it sees end first, which must be the one that failed
        os._exit(1)  # the others are told by the end of this process, and an orderly one takes seconds
