// biome-ignore-all lint/complexity/noThisInStatic: a subclass asks about itself

/** The key of a class's name, which is the same in every copy of this library. */
const className: unique symbol = Symbol.for("rise-ts.className") as never;

/**
 * Base of every error this library raises on purpose. A bad completion is data (reward 0); only a bad call is an error.
 *
 * `instanceof` holds between the ES modules and the CommonJS modules of this library, and between copies of it.
 */
export class RiseError extends Error {
  static readonly [className]: string = "RiseError";
  override readonly name: string = "RiseError";

  /** Knows an error of this class, also if the package's other format made it. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass of somebody else's has its own instances only.
    if (!Object.hasOwn(this, className)) return Function.prototype[Symbol.hasInstance].call(this, value);
    for (let kind: unknown = Object(value).constructor; typeof kind === "function"; kind = Object.getPrototypeOf(kind))
      if (Object.hasOwn(kind, className) && (kind as typeof RiseError)[className] === this[className]) return true;
    return false;
  }

  /**
   * Whether a value is an error of this class, by whichever copy of the library it was made.
   * @example
   * if (ConfigError.isInstance(error)) console.error(error.message);
   */
  static isInstance<Class extends abstract new (...values: never) => unknown>(
    this: Class,
    value: unknown,
  ): value is InstanceType<Class> {
    return value instanceof this;
  }

  constructor(message?: string, options?: ErrorOptions) {
    super(message && cut(message), options);
  }
}

/** The most characters that a message may have: it may quote a file. */
const longest = 10_000;

function cut(message: string): string {
  if (message.length <= longest) return message;
  const kept = longest - 40;
  return `${message.slice(0, kept)}… (${message.length - kept} more characters)`;
}

/** Fix the options you passed. */
export class ConfigError extends RiseError {
  static override readonly [className]: string = "ConfigError";
  override readonly name = "ConfigError";
}

/** Fix the data: a file, an annotation, an image. */
export class DataError extends RiseError {
  static override readonly [className]: string = "DataError";
  override readonly name = "DataError";
}

/** Tensor shapes do not fit together. */
export class ShapeError extends RiseError {
  static override readonly [className]: string = "ShapeError";
  override readonly name = "ShapeError";
}

/** The model needs something this library cannot express. */
export class UnsupportedOpError extends RiseError {
  static override readonly [className]: string = "UnsupportedOpError";
  override readonly name = "UnsupportedOpError";
}

/**
 * The reach of a backend's failure: `"prompt"`: this prompt fails on every try; `"moment"`: a later try may succeed;
 * `"backend"`: every prompt fails, because of a wrong key, an unknown model, a server that is down.
 */
export type FailureScope = "prompt" | "moment" | "backend";

/** The model could not be loaded or run. */
export class BackendError extends RiseError {
  static override readonly [className]: string = "BackendError";
  override readonly name: string = "BackendError";
  /** Whether other prompts, and later tries, are worth it ("prompt"). */
  readonly scope: FailureScope;

  constructor(
    message: string,
    { scope = "prompt", ...options }: ErrorOptions & { readonly scope?: FailureScope } = {},
  ) {
    super(message, options);
    this.scope = scope;
  }
}

/** The model produced NaN or infinity: its weights are damaged, or training diverged. */
export class NonFiniteError extends BackendError {
  static override readonly [className]: string = "NonFiniteError";
  override readonly scope = "backend";
}

/** The processes of an engine ended or do not answer: run the same command again with `resume: true`. */
export class EngineError extends BackendError {
  static override readonly [className]: string = "EngineError";
  override readonly name = "EngineError";
  override readonly scope = "backend";
}

/** Training went wrong: NaN, nothing to learn from. */
export class TrainingError extends RiseError {
  static override readonly [className]: string = "TrainingError";
  override readonly name = "TrainingError";
}

/** A run directory or checkpoint cannot be used. */
export class CheckpointError extends RiseError {
  static override readonly [className]: string = "CheckpointError";
  override readonly name = "CheckpointError";
}

/**
 * Whether an error concerns one prompt, and not the call, the model or the program: other prompts are worth a try.
 * @example
 * try {
 *   await backend.generate([prompt], { seed: 0 });
 * } catch (error) {
 *   if (!concernsOnePrompt(error)) throw error;
 * }
 */
export function concernsOnePrompt(error: unknown): error is Error {
  if (error instanceof BackendError) return error.scope !== "backend";
  return error instanceof DataError || (error instanceof Error && !(error instanceof RiseError));
}
