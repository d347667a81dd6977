import { checkPrompt } from "../../prompts/check-prompt";
import type { ImageSource, Prompt } from "../../types";
import { encodedImage } from "../remote/encoded-image";

/**
 * A prompt as the endpoint's `messages`.
 * @param maxPixels larger images are scaled down
 * @throws DataError for an invalid prompt, and naming an image that cannot be read
 */
export async function chatMessages(prompt: Prompt, maxPixels = Number.POSITIVE_INFINITY): Promise<readonly object[]> {
  checkPrompt(prompt);
  return Promise.all(
    prompt.map(async ({ role, content }) => ({
      role,
      content: await Promise.all(
        content.map(async (part) =>
          part.type === "text" ? part : { type: "image_url", image_url: { url: await dataUrl(part.image, maxPixels) } },
        ),
      ),
    })),
  );
}

async function dataUrl(image: ImageSource, maxPixels: number): Promise<string> {
  const { mime, bytes } = await encodedImage(image, maxPixels);
  return `data:${mime};base64,${Buffer.from(bytes).toString("base64")}`;
}
