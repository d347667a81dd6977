import type { Example } from "../types";

/** Examples in a fixed order. Pictures are named or held, not decoded. */
export type Dataset<A> = readonly Example<A>[];
