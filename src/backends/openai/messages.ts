import { readImageFile } from "../../image-file";
import { loadImage } from "../../models/qwen2-vl/image";
import { checkPrompt } from "../../prompts/check-prompt";
import type { ImageSource, Prompt } from "../../types";

/** A prompt as the endpoint's `messages`.  @throws DataError for what is no prompt, and naming a picture that cannot be read */
export async function chatMessages(prompt: Prompt): Promise<readonly object[]> {
  checkPrompt(prompt);
  return Promise.all(
    prompt.map(async ({ role, content }) => ({
      role,
      content: await Promise.all(
        content.map(async (part) =>
          part.type === "text" ? part : { type: "image_url", image_url: { url: await dataUrl(part.image) } },
        ),
      ),
    })),
  );
}

/** The picture's own bytes where every server reads them upright; anything else as a PNG. */
async function dataUrl(image: ImageSource): Promise<string> {
  const { mime, bytes } = (await asItIs(image)) ?? { mime: "image/png", bytes: await asPng(image) };
  return `data:${mime};base64,${Buffer.from(bytes).toString("base64")}`;
}

async function asItIs(image: ImageSource): Promise<{ readonly mime: string; readonly bytes: Uint8Array } | undefined> {
  if (typeof image === "object" && "data" in image) return undefined;
  try {
    const { bytes, metadata } = await readImageFile(image);
    const { format, orientation = 1, pages = 1 } = metadata;
    const isCommon = ["jpeg", "png", "webp"].includes(format) && orientation === 1 && pages === 1;
    return isCommon ? { mime: `image/${format}`, bytes } : undefined;
  } catch {
    // Decoding it says what is wrong, and where.
    return undefined;
  }
}

async function asPng(image: ImageSource): Promise<Uint8Array> {
  const { width, height, data } = await loadImage(image);
  const { default: sharp } = await import("sharp");
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
