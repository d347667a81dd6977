/**
 * The canonical names of all families: the vision tower is `visual.`, the language model `model.`, an untied head
 * `lm_head`.
 */
export const names = {
  visionPrefix: "visual.",
  languagePrefix: "model.",
  embeddings: "model.embed_tokens",
  untiedHead: "lm_head",

  /**
   * Removes the prefixes that others add. transformers 4.52 and later nest the two towers under `model.`; Qwen's own
   * files do not. Wrappers of a saved model (DataParallel, DeepSpeed, torch.compile, FSDP, a second `model.`) add names
   * in front, and PEFT adds some in between.
   */
  canonicalName(stored: string): string {
    const name = stored
      .replace(/^((base_model|model|language_model|module|_orig_mod|_fsdp_wrapped_module)\.)+/, "")
      .replace(/\.(default|modules_to_save|base_layer)(?=\.|$)/g, "");
    return /^(embed_tokens|layers|norm)\./.test(name) ? `model.${name}` : name;
  },

  /** Names that all versions of transformers read, for families as old as Qwen2-VL. */
  storedName: (canonical: string): string => canonical,

  transformersName: (canonical: string): string =>
    canonical.replace(/^visual\./, "model.visual.").replace(/^model\.(?!visual\.)/, "model.language_model."),
} as const;
