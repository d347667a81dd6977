import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export interface AccessToken {
  readonly value: string;
  /** `HF_TOKEN`, or the path of the token's file. */
  readonly from: string;
}

/**
 * The token for gated and private models: `HF_TOKEN`, else the one that `hf auth login` wrote into `$HF_TOKEN_PATH`, by
 * default `$HF_HOME/token`; undefined without either. As in huggingface_hub.
 */
export async function accessToken(): Promise<AccessToken | undefined> {
  const { HF_TOKEN, HF_TOKEN_PATH } = process.env;
  if (HF_TOKEN) return { value: HF_TOKEN, from: "HF_TOKEN" };
  const from = HF_TOKEN_PATH || join(homeFolder(), "token");
  const value = (await readFile(from, "utf8").catch(() => "")).trim();
  return value === "" ? undefined : { value, from };
}

function homeFolder(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
}
