/** Base of every error this library raises on purpose. A bad completion is data (reward 0); only a bad call is an error. */
export class RiseError extends Error {
  override readonly name: string = "RiseError";

  constructor(message?: string, options?: ErrorOptions) {
    super(message && cut(message), options);
  }
}

/** Characters of a message, whatever the file that it quotes has in it. */
const longest = 10_000;

const cut = (message: string) =>
  message.length > longest ? `${message.slice(0, longest)}… (${message.length - longest} more characters)` : message;

/** Fix the options you passed. */
export class ConfigError extends RiseError {
  override readonly name = "ConfigError";
}

/** Fix the data: a file, an annotation, an image. */
export class DataError extends RiseError {
  override readonly name = "DataError";
}

/** Tensor shapes do not fit together. */
export class ShapeError extends RiseError {
  override readonly name = "ShapeError";
}

/** The model needs something this library cannot express. */
export class UnsupportedOpError extends RiseError {
  override readonly name = "UnsupportedOpError";
}

/** The model could not be loaded or run. */
export class BackendError extends RiseError {
  override readonly name = "BackendError";
}

/** A number of the model's is none: its weights are damaged, or training went too far with them. */
export class NonFiniteError extends BackendError {}

/** Training went wrong: NaN, nothing to learn from. */
export class TrainingError extends RiseError {
  override readonly name = "TrainingError";
}

/** A run directory or checkpoint cannot be used. */
export class CheckpointError extends RiseError {
  override readonly name = "CheckpointError";
}
