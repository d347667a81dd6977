import { ConfigError } from "./errors";

/**
 * A generator of random numbers. Each is a function of a seed and a path, never of how many were drawn before: a
 * resumed run needs no saved generator state, and a batch of any size draws the same numbers for the same row.
 */
export interface Rng {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number;
  /** Uniform integer in [0, n). */
  integer(n: number): number;
  /** Standard normal. */
  normal(): number;
  /** A shuffled copy. */
  shuffle<T>(items: readonly T[]): T[];
}

/**
 * A 32-bit seed for the place `path` below `seed`; different paths give unrelated seeds.
 * @throws ConfigError for a seed that is not a whole number, whose fraction would count for nothing
 * @example
 * deriveSeed(7, "rollout", 3);
 */
export function deriveSeed(seed: number, ...path: readonly (string | number)[]): number {
  if (!Number.isInteger(seed)) throw new ConfigError(`deriveSeed: expected seed to be a whole number, got ${seed}`);
  let hash = mix(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  for (const part of path) {
    const text = typeof part === "number" ? `#${part}` : `$${part}`;
    for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i));
    hash = mix(hash, text.length);
  }
  return hash >>> 0;
}

/**
 * A generator (xoshiro128**, Blackman & Vigna 2018) seeded by `deriveSeed`.
 * @example
 * createRng(7, "order").shuffle([1, 2, 3]);
 */
export function createRng(seed: number, ...path: readonly (string | number)[]): Rng {
  const base = deriveSeed(seed, ...path);
  let [a, b, c, d] = [mix(base, 1), mix(base, 2), mix(base, 3), mix(base, 4)];
  const next = () => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9);
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result >>> 0;
  };
  const uniform = () => next() / 2 ** 32;
  const integer = (n: number) => Math.floor(uniform() * n);
  return {
    uniform,
    integer,
    // Box–Muller; 1 − u keeps the logarithm finite.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    shuffle: (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [out[i], out[j]] = [out[j]!, out[i]!];
      }
      return out;
    },
  };
}

const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k));

/** murmur3's finaliser over a running hash. */
function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ Math.imul(value + 0x9e3779b9, 0x85ebca6b), 0xcc9e2d51);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
